import { Buffer } from "node:buffer";
import { HpackError } from "./hpack_error.ts";
import { decodeHuffman } from "./huffman.ts";

const { latin1Slice } = Buffer.prototype;

/** Memory for one decoded string, which all connections share. */
let scratch = new Uint8Array(1024);

/** Names in small letters, as HTTP/2 and 3 have them, and pseudo-fields. */
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

export function isFieldName(name: string): boolean {
  return NAME.test(name);
}

export function isFieldValue(value: string): boolean {
  return VALUE.test(value);
}

/** Reads the numbers and strings of a header block (RFC 7541 section 5, RFC 9204 section 4.1). */
export class BlockReader {
  #bytes = new Uint8Array();
  #at = 0;

  begin(block: Uint8Array): void {
    this.#bytes = block as Uint8Array<ArrayBuffer>;
    this.#at = 0;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Returns the next byte without taking it; 0 at the end. */
  peek(): number {
    return this.#bytes[this.#at] ?? 0;
  }

  /** Reads an integer whose first bits are those of `mask`. @throws {HpackError} */
  integer(mask: number): number {
    let value = this.#next() & mask;
    if (value < mask) return value;
    for (let factor = 1;; factor *= 128) {
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (factor > 128 ** 4 || value > 0x7fff_ffff) throw new HpackError("a number is too large");
      if (byte < 0x80) return value;
    }
  }

  /** Reads a string whose length begins with the bits of `mask`, below that of Huffman's code. */
  string(mask: number): string {
    const isHuffman = (this.peek() & (mask + 1)) !== 0;
    const length = this.integer(mask);
    const from = this.#at;
    const to = from + length;
    if (to > this.#bytes.length) throw new HpackError("a string is cut short");
    this.#at = to;
    if (!isHuffman) return latin1Slice.call(this.#bytes, from, to);
    const room = Math.ceil(length * 8 / 5);
    if (room > scratch.length) scratch = new Uint8Array(2 * room);
    const size = decodeHuffman(this.#bytes, from, to, scratch);
    return latin1Slice.call(scratch, 0, size);
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new HpackError("it is cut short");
    return byte;
  }
}
