import { TtunError } from "../../base/errors.ts";
import type { Rng } from "../../contract/host.ts";

/** One call of the system's generator costs as much as sealing a small frame. */
const BLOCK = 4096;

/** Random bytes, drawn a block at a time; each is given once. One for a process is enough. */
export class RandomBlock {
  readonly #rng: Rng;
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Writes `length` random bytes from `at` on. */
  fill(bytes: Uint8Array, at: number, length: number): void {
    for (let i = at; i < at + length; i++) bytes[i] = this.#next();
  }

  /** Returns random bytes, the caller's: a part of the block, where it has so many. */
  take(length: number): Uint8Array {
    if (this.#at + length <= this.#block.length) {
      return this.#block.subarray(this.#at, this.#at += length);
    }
    const bytes = new Uint8Array(length);
    this.fill(bytes, 0, length);
    return bytes;
  }

  /** Returns 0 to `limit - 1`, each as likely as the others; `limit` is 1 to 256. */
  below(limit: number): number {
    // Of 256 values only a multiple of the limit is used, or the small ones would be likelier.
    const used = 256 - 256 % limit;
    for (;;) {
      const byte = this.#next();
      if (byte < used) return byte % limit;
    }
  }

  #next(): number {
    if (this.#at === this.#block.length) this.#draw();
    return this.#block[this.#at++]!;
  }

  /** A short block would make zeros of nonces: it is not taken on trust. */
  #draw(): void {
    const block = this.#rng(BLOCK);
    if (block.length !== BLOCK) {
      throw new TtunError("internal", `Cannot use ${block.length} random bytes for ${BLOCK}`);
    }
    this.#block = block;
    this.#at = 0;
  }
}
