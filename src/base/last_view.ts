const NOTHING = new Uint8Array();

/**
 * Views of a byte array. Making one costs as much as a call of the kernel's that does little, and
 * who sends or receives packets one by one asks for the same one each time: it is kept, and with it
 * the array.
 */
export class LastView {
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  #view: Uint8Array = NOTHING;

  /** `bytes[start..end)`, as `subarray` has it. */
  of(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
    if (bytes !== this.#bytes || start !== this.#start || end !== this.#end) {
      this.#view = bytes.subarray(start, end);
      this.#bytes = bytes;
      this.#start = start;
      this.#end = end;
    }
    return this.#view as Uint8Array<ArrayBuffer>;
  }

  /** All of `bytes` from `start` on: for calls that are told the length besides. */
  from(bytes: Uint8Array, start: number): Uint8Array<ArrayBuffer> {
    return this.of(bytes, start, bytes.length);
  }
}
