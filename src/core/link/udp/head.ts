import { TAG_SIZE } from "../../../contract/cipher.ts";
import type { Rng } from "../../../contract/host.ts";
import { derive } from "../v2/secrets.ts";
import { HalfSipHash } from "./half_siphash.ts";

/**
 * The first 8 bytes of a datagram (docs/wire/udp.md, "Datagram"), big-endian:
 *
 *     id (u24) | phase (1 bit) | counter (u39)
 *
 * all of it XORed with a hash of the tag's beginning.
 */
export const HEAD_SIZE = 8;

/** Bytes of a datagram beside its text. */
export const DATAGRAM_OVERHEAD = HEAD_SIZE + TAG_SIZE;

/** Counters are below this. */
export const COUNTER_LIMIT = 2 ** 39;

export interface Head {
  id: number;
  /** 0 or 1. */
  phase: number;
  counter: number;
}

/** Draws an id, which is never 0. */
export function randomId(rng: Rng): number {
  for (;;) {
    const [a, b, c] = rng(3);
    const id = a! << 16 | b! << 8 | c!;
    if (id !== 0) return id;
  }
}

/** Hides heads of one direction from all who have not the key. */
export class HeadMask {
  readonly #hash: HalfSipHash;

  /** `s`: the secret S, borrowed. `side`: whoever sends. */
  constructor(s: Uint8Array, side: "c" | "s") {
    this.#hash = new HalfSipHash(derive(s, `udp head ${side}`));
  }

  /** Writes the head of a datagram that is sealed already. */
  write(bytes: Uint8Array, at: number, end: number, { id, phase, counter }: Head): void {
    const high = Math.floor(counter / 0x1_0000_0000) | phase << 7;
    bytes[at] = id >>> 16;
    bytes[at + 1] = id >>> 8;
    bytes[at + 2] = id;
    bytes[at + 3] = high;
    bytes[at + 4] = counter >>> 24;
    bytes[at + 5] = counter >>> 16;
    bytes[at + 6] = counter >>> 8;
    bytes[at + 7] = counter;
    this.#hash.hash(bytes, end - TAG_SIZE);
    const { low, high: rest } = this.#hash;
    for (let i = 0; i < 4; i++) {
      bytes[at + i] = bytes[at + i]! ^ low >>> (8 * i);
      bytes[at + 4 + i] = bytes[at + 4 + i]! ^ rest >>> (8 * i);
    }
  }

  /** Reads the head of `bytes[at..end)`, which has a head and a tag at least, and stays as it is. */
  read(bytes: Uint8Array, at: number, end: number, into: Head): void {
    this.#hash.hash(bytes, end - TAG_SIZE);
    const { low, high } = this.#hash;
    const byte = (i: number) =>
      (bytes[at + i]! ^ (i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32))) & 0xff;
    into.id = byte(0) << 16 | byte(1) << 8 | byte(2);
    into.phase = byte(3) >>> 7;
    into.counter = (byte(3) & 0x7f) * 0x1_0000_0000 +
      ((byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7)) >>> 0);
  }
}
