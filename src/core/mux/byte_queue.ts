import { copyBytes } from "../../base/small_alloc.ts";

/** Chunks up to this size are joined, so that many small writes take no more memory than one. */
const JOINED = 2048;

/** Bytes in the order in which they came. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** Index of the first chunk. */
  #first = 0;
  /** Memory that the last chunk lies in, and up to where it is used; null = it has no room left. */
  #block: Uint8Array | null = null;
  #used = 0;
  length = 0;

  /** Copies `bytes`. */
  push(bytes: Uint8Array): void {
    const last = this.length === 0 ? undefined : this.#chunks.at(-1);
    this.length += bytes.length;
    if (last !== undefined && last.length + bytes.length <= JOINED) {
      this.#chunks[this.#chunks.length - 1] = this.#join(last, bytes);
      return;
    }
    this.#block = null;
    this.#chunks.push(bytes.length < JOINED ? copyBytes(bytes) : new Uint8Array(bytes));
  }

  /** Returns both, one behind the other; `last` is the last chunk. */
  #join(last: Uint8Array, bytes: Uint8Array): Uint8Array {
    const size = last.length + bytes.length;
    if (this.#block === null || this.#used + bytes.length > this.#block.length) {
      this.#block = new Uint8Array(Math.min(2 * size, JOINED));
      this.#block.set(last);
      this.#used = last.length;
    }
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
    return this.#block.subarray(this.#used - size, this.#used);
  }

  /** Takes up to `most` bytes, at least one if there are any; a view, which never changes. */
  take(most: number): Uint8Array {
    const first = this.#chunks[this.#first]!;
    if (first.length <= most) {
      this.#shift(first.length);
      return first;
    }
    this.#chunks[this.#first] = first.subarray(most);
    this.length -= most;
    return first.subarray(0, most);
  }

  /** Copies to the front of `into`; returns how many bytes. */
  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.length > 0) {
      const part = this.take(into.length - done);
      into.set(part, done);
      done += part.length;
    }
    return done;
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#block = null;
    this.length = 0;
  }

  #shift(size: number): void {
    this.length -= size;
    if (this.length === 0) return this.clear();
    this.#chunks[this.#first++] = EMPTY;
    if (this.#first < 64 || this.#first * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }
}

const EMPTY = new Uint8Array();
