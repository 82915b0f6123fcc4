/**
 * HalfSipHash-2-4 with a key and a result of 64 bits, over 8 bytes (Aumasson and Bernstein's reference,
 * halfsiphash.c): a pseudo-random function that costs a fraction of a microsecond.
 */
export class HalfSipHash {
  readonly #k0: number;
  readonly #k1: number;
  /** The result's words, little-endian, of the last call. */
  low = 0;
  high = 0;

  /** The first 8 bytes are the key. */
  constructor(key: Uint8Array) {
    this.#k0 = readLe(key, 0);
    this.#k1 = readLe(key, 4);
  }

  /** Hashes `bytes[at..at+8)` to `low` and `high`. */
  hash(bytes: Uint8Array, at: number): void {
    let v0 = this.#k0;
    let v1 = this.#k1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#k0;
    let v3 = 0x74656462 ^ this.#k1;
    /** Two words of the message, its length in the highest byte of a third, and two words of the result. */
    for (let word = 0; word < 5; word++) {
      if (word === 3) v2 ^= 0xee;
      else if (word === 4) {
        this.low = v1 ^ v3;
        v1 ^= 0xdd;
      }
      const m = word < 2 ? readLe(bytes, at + 4 * word) : word === 2 ? 8 << 24 : 0;
      const rounds = word < 3 ? 2 : 4;
      v3 ^= m;
      for (let i = 0; i < rounds; i++) {
        v0 = v0 + v1 | 0;
        v1 = (v1 << 5 | v1 >>> 27) ^ v0;
        v0 = v0 << 16 | v0 >>> 16;
        v2 = v2 + v3 | 0;
        v3 = (v3 << 8 | v3 >>> 24) ^ v2;
        v0 = v0 + v3 | 0;
        v3 = (v3 << 7 | v3 >>> 25) ^ v0;
        v2 = v2 + v1 | 0;
        v1 = (v1 << 13 | v1 >>> 19) ^ v2;
        v2 = v2 << 16 | v2 >>> 16;
      }
      v0 ^= m;
    }
    this.high = v1 ^ v3;
  }
}

function readLe(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
}
