/** Chunks shorter than this are joined when they are taken, so that small writes share a frame. */
const JOIN_BELOW = 2048;

/** Bytes in the order in which they came, kept as the chunks that came. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** Index of the first chunk. */
  #first = 0;
  length = 0;

  /** Keeps `chunk` itself, which must not change any more. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Takes up to `most` bytes, at least one if there are any; a view of what was pushed. */
  take(most: number): Uint8Array {
    const first = this.#chunks[this.#first]!;
    if (first.length < JOIN_BELOW && first.length < most && this.#first + 1 < this.#chunks.length) {
      const joined = new Uint8Array(Math.min(most, this.length, JOIN_BELOW));
      this.read(joined);
      return joined;
    }
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
      const first = this.#chunks[this.#first]!;
      const size = Math.min(first.length, into.length - done);
      into.set(size === first.length ? first : first.subarray(0, size), done);
      done += size;
      if (size === first.length) this.#shift(size);
      else {
        this.#chunks[this.#first] = first.subarray(size);
        this.length -= size;
      }
    }
    return done;
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
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
