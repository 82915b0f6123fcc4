/** Result of a search for the path MTU. */
export interface PathMtu {
  /** Bytes of the longest packet that came through. */
  readonly bytes: number;
  /** Longer packets vanish, and no router says so. */
  readonly isBlackHole: boolean;
}

/**
 * Search for the longest packet that a path carries, by packets that may not be fragmented
 * (RFC 4821). Call `next`, send a packet of that length, and tell what became of it.
 */
export class PathMtuSearch {
  #least: number;
  /** Length that is too long, or one more than a path can have. */
  #tooLong: number;
  #isBlackHole = false;
  /** Length to try before halving, as a router has named it or as the first. */
  #hint: number | null;
  /** Length that a router has named last. */
  #said: number | null = null;

  /** Packets of `least` bytes pass; none is longer than `most`. */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#tooLong = most + 1;
    this.#hint = most;
  }

  /** Returns the length of the next packet; null = `result` is known. */
  next(): number | null {
    if (this.#tooLong - this.#least <= 1) return null;
    const middle = this.#least + Math.ceil((this.#tooLong - this.#least) / 2);
    const bytes = this.#hint ?? Math.min(middle, this.#tooLong - 1);
    this.#hint = null;
    return bytes;
  }

  passed(bytes: number): void {
    this.#least = bytes;
    // More would be asked of a router that limits how often it says so.
    if (bytes === this.#said) this.#tooLong = bytes + 1;
  }

  /** A router, or this machine's own device, has said so; `mtu` is what it takes, if it says that. */
  refused(bytes: number, mtu: number | null): void {
    this.#tooLong = bytes;
    this.#isBlackHole = false;
    if (mtu !== null && mtu > this.#least && mtu < bytes) this.#hint = this.#said = mtu;
  }

  /** There was no answer to several packets of this length. */
  lost(bytes: number): void {
    this.#tooLong = bytes;
    this.#isBlackHole = true;
  }

  get result(): PathMtu {
    return { bytes: this.#least, isBlackHole: this.#isBlackHole };
  }
}
