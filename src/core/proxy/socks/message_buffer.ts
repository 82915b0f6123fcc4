import { allocSmall } from "../../../base/small_alloc.ts";

/** Usual size; a longer message has an array of its own. */
const USUAL = 64;

/** Holds the message that is being read, never more than its length, so memory is bounded. */
export class SocksMessage {
  readonly #most: number;
  bytes: Uint8Array = allocSmall(USUAL);
  length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Copies from `chunk[at..]` what is missing to `wanted` bytes; returns how many that were. */
  take(chunk: Uint8Array, at: number, wanted: number): number {
    if (wanted > this.bytes.length) this.#grow();
    const count = Math.min(wanted - this.length, chunk.length - at);
    for (let i = 0; i < count; i++) this.bytes[this.length++] = chunk[at + i]!;
    return count;
  }

  /** Adds a byte of a message whose length nothing tells; the caller keeps it to the most. */
  push(byte: number): void {
    if (this.length === this.bytes.length) this.#grow();
    this.bytes[this.length++] = byte;
  }

  #grow(): void {
    const less = this.bytes;
    this.bytes = new Uint8Array(this.#most);
    this.bytes.set(less);
    less.fill(0);
  }

  /** Makes room for the next message and overwrites what may have been a password. */
  clear(): void {
    this.bytes.fill(0, 0, this.length);
    this.length = 0;
  }
}
