/**
 * A ring of bytes in memory that two threads share, one of which writes. How many there are, and how
 * many have been read, goes by messages, behind which the bytes are seen.
 */
export class SharedRing {
  readonly memory: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  /** Where this thread goes on. */
  #at = 0;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#bytes = new Uint8Array(memory);
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** Copies bytes in; there must be room for them. */
  write(bytes: Uint8Array): void {
    const first = bytes.subarray(0, this.size - this.#at);
    this.#bytes.set(first, this.#at);
    if (first.length < bytes.length) this.#bytes.set(bytes.subarray(first.length), 0);
    this.#goOn(bytes.length);
  }

  /** Fills `into` with bytes that must be there. */
  read(into: Uint8Array): void {
    const first = this.#bytes.subarray(this.#at, this.#at + into.length);
    into.set(first);
    if (first.length < into.length) {
      into.set(this.#bytes.subarray(0, into.length - first.length), first.length);
    }
    this.#goOn(into.length);
  }

  #goOn(bytes: number): void {
    this.#at = (this.#at + bytes) % this.size;
  }
}
