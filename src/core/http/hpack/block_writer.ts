import { encodeHuffman, huffmanLength } from "./huffman.ts";

const FIRST_ROOM = 1024;
/** Bytes of the longest number. */
const LONGEST = 6;

/** Writes the numbers and strings of a header block (RFC 7541 section 5, RFC 9204 section 4.1). */
export class BlockWriter {
  #bytes = new Uint8Array(FIRST_ROOM);
  #at = 0;

  begin(): void {
    this.#at = 0;
  }

  /** Returns what was written, in a new array. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** Writes a number whose first bits are those of `mask`, below the bits of `pattern`. */
  integer(pattern: number, mask: number, value: number): void {
    this.#need(LONGEST);
    if (value < mask) {
      this.#bytes[this.#at++] = pattern | value;
      return;
    }
    this.#bytes[this.#at++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = rest % 128 | 0x80;
    this.#bytes[this.#at++] = rest;
  }

  /** Writes a text of one byte a character behind its length, in the shorter of both codes. */
  string(pattern: number, mask: number, text: string): void {
    this.#need(LONGEST + text.length);
    const length = huffmanLength(text);
    if (length <= text.length) {
      this.integer(pattern | (mask + 1), mask, length);
      this.#at = encodeHuffman(text, this.#bytes, this.#at);
      return;
    }
    this.integer(pattern, mask, text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  #need(room: number): void {
    if (this.#at + room <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + room));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}
