/** The prime of Curve25519 (RFC 7748 section 4.1). */
const P = 2n ** 255n - 19n;

/** Returns the X25519 public key of an Ed25519 one: u = (1 + y) / (1 - y). */
export function montgomeryOf(ed25519: Uint8Array): Uint8Array {
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = y << 8n | BigInt(i === 31 ? ed25519[i]! & 0x7f : ed25519[i]!);
  let u = mod((1n + y) * power(mod(1n - y), P - 2n));
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++, u >>= 8n) bytes[i] = Number(u & 0xffn);
  return bytes;
}

function mod(value: bigint): bigint {
  return (value % P + P) % P;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) {
    if ((e & 1n) === 1n) result = mod(result * b);
  }
  return result;
}
