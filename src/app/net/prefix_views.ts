/** Views shorter than this are created once and kept. */
const FEW = 512;

/** Views of a buffer's front. Short ones, and one of the last length, are cached. */
export class PrefixViews {
  readonly #bytes: Uint8Array;
  readonly #few: (Uint8Array | undefined)[] = new Array(FEW);
  #last: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#last = bytes;
  }

  to(length: number): Uint8Array {
    if (length < FEW) return this.#few[length] ??= this.#bytes.subarray(0, length);
    if (length !== this.#last.length) this.#last = this.#bytes.subarray(0, length);
    return this.#last;
  }
}
