const BLOCK = 64;
const SIZE = 32;

const IV = Uint32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a],
  ...[0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);

/** Words of the message in the order of each of the ten rounds. */
const SIGMA = Uint8Array.of(
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ...[14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  ...[11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  ...[7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  ...[9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  ...[2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  ...[12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  ...[13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  ...[6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  ...[10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
);

/** State and message of the call that is under way; wiped behind it. */
const h = new Uint32Array(8);
const m = new Uint32Array(16);
const v = new Uint32Array(16);
const last = new Uint8Array(BLOCK);

/**
 * BLAKE2s-256 (RFC 7693), under a key of at most 32 bytes where there is one. Each record of the mesh
 * is hashed at three nodes, and a library that makes objects for each step takes ten times as long.
 */
export function blake2s(input: Uint8Array, key: Uint8Array | null): Uint8Array {
  const keySize = key?.length ?? 0;
  if (keySize > SIZE) throw new RangeError("A key of BLAKE2s has at most 32 bytes");
  h.set(IV);
  h[0]! ^= 0x0101_0000 ^ (keySize << 8) ^ SIZE;
  let count = 0;
  if (keySize > 0) {
    last.set(key!);
    last.fill(0, keySize);
    count = BLOCK;
    compress(last, 0, count, input.length === 0);
  }
  let at = 0;
  for (; input.length - at > BLOCK; at += BLOCK) {
    count += BLOCK;
    compress(input, at, count, false);
  }
  if (input.length > 0 || keySize === 0) {
    const rest = input.length - at;
    for (let i = 0; i < rest; i++) last[i] = input[at + i]!;
    last.fill(0, rest);
    compress(last, 0, count + rest, true);
  }
  const out = new Uint8Array(SIZE);
  for (let i = 0; i < SIZE; i++) out[i] = h[i >> 2]! >>> (8 * (i & 3));
  for (const used of [h, m, v, last]) used.fill(0);
  return out;
}

/** `count`: bytes up to the end of this block, without what fills it up. */
function compress(bytes: Uint8Array, at: number, count: number, isLast: boolean): void {
  for (let i = 0; i < 16; i++, at += 4) {
    m[i] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
  for (let i = 0; i < 8; i++) {
    v[i] = h[i]!;
    v[i + 8] = IV[i]!;
  }
  v[12]! ^= count >>> 0;
  v[13]! ^= Math.floor(count / 2 ** 32);
  if (isLast) v[14] = ~v[14]!;
  for (let round = 0; round < SIGMA.length; round += 16) {
    mix(0, 4, 8, 12, SIGMA[round]!, SIGMA[round + 1]!);
    mix(1, 5, 9, 13, SIGMA[round + 2]!, SIGMA[round + 3]!);
    mix(2, 6, 10, 14, SIGMA[round + 4]!, SIGMA[round + 5]!);
    mix(3, 7, 11, 15, SIGMA[round + 6]!, SIGMA[round + 7]!);
    mix(0, 5, 10, 15, SIGMA[round + 8]!, SIGMA[round + 9]!);
    mix(1, 6, 11, 12, SIGMA[round + 10]!, SIGMA[round + 11]!);
    mix(2, 7, 8, 13, SIGMA[round + 12]!, SIGMA[round + 13]!);
    mix(3, 4, 9, 14, SIGMA[round + 14]!, SIGMA[round + 15]!);
  }
  for (let i = 0; i < 8; i++) h[i]! ^= v[i]! ^ v[i + 8]!;
}

function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  let va = (v[a]! + v[b]! + m[x]!) | 0;
  let vd = v[d]! ^ va;
  vd = (vd >>> 16) | (vd << 16);
  let vc = (v[c]! + vd) | 0;
  let vb = v[b]! ^ vc;
  vb = (vb >>> 12) | (vb << 20);
  va = (va + vb + m[y]!) | 0;
  vd ^= va;
  vd = (vd >>> 8) | (vd << 24);
  vc = (vc + vd) | 0;
  vb ^= vc;
  v[a] = va;
  v[b] = (vb >>> 7) | (vb << 25);
  v[c] = vc;
  v[d] = vd;
}
