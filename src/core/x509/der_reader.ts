import { ProtocolError } from "../../base/errors.ts";

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length: what a signature or a hash is over. */
  readonly whole: Uint8Array;
}

/**
 * Reads DER elements one after the other, as views. Lengths are in their shortest form, below 64 KiB,
 * and tags have one byte: certificates have nothing else.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** @throws {ProtocolError} */
  any(): DerElement {
    const start = this.#at;
    const tag = this.#u8();
    if ((tag & 0x1f) === 0x1f) throw damaged("a tag of several bytes");
    const length = this.#length();
    if (length > this.#bytes.length - this.#at) throw damaged("it is cut short");
    const content = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { tag, content, whole: this.#bytes.subarray(start, this.#at) };
  }

  /** Returns the next element's content. @throws {ProtocolError} if it is another one */
  take(tag: number): Uint8Array {
    const element = this.any();
    if (element.tag !== tag) throw damaged("an element that does not belong there");
    return element.content;
  }

  /** Returns the next element's content; null = it is another one, or there is none. */
  optional(tag: number): Uint8Array | null {
    return this.#bytes[this.#at] === tag ? this.take(tag) : null;
  }

  /** @throws {ProtocolError} */
  inside(tag: number): DerReader {
    return new DerReader(this.take(tag));
  }

  /** @throws {ProtocolError} if there is more */
  end(): void {
    if (!this.isAtEnd) throw damaged("more than belongs there");
  }

  #u8(): number {
    if (this.isAtEnd) throw damaged("it is cut short");
    return this.#bytes[this.#at++]!;
  }

  #length(): number {
    const first = this.#u8();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 2) throw damaged("a length that none has");
    let length = this.#u8();
    if (size === 2) {
      if (length === 0) throw damaged("a length that is not the shortest");
      length = length * 256 + this.#u8();
    }
    if (length < 0x80) throw damaged("a length that is not the shortest");
    return length;
  }
}

function damaged(why: string): ProtocolError {
  return new ProtocolError(`Cannot read a certificate: ${why}`);
}
