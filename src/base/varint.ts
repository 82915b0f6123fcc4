import { readU32, writeU16, writeU32 } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";

/** QUIC's variable-length integers (RFC 9000 section 16); above 2^53-1 is an error. */
export function varintSize(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
}

/** Writes `value` in its shortest form, or in `size` bytes; returns where the next byte goes. */
export function writeVarint(
  bytes: Uint8Array,
  at: number,
  value: number,
  size: 1 | 2 | 4 | 8 = varintSize(value),
): number {
  if (size === 1) bytes[at] = value;
  else if (size === 2) writeU16(bytes, at, 0x4000 | value);
  else if (size === 4) writeU32(bytes, at, (0x8000_0000 | value) >>> 0);
  else {
    writeU32(bytes, at, (0xc000_0000 | Math.floor(value / 0x1_0000_0000)) >>> 0);
    writeU32(bytes, at + 4, value >>> 0);
  }
  return at + size;
}

export function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintSize(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

/** Reads one thing after another from a byte array. @throws {ProtocolError} at its end */
export class Reader {
  readonly bytes: Uint8Array;
  end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    this.#need(1);
    return this.bytes[this.at++]!;
  }

  varint(): number {
    this.#need(1);
    const size = 1 << (this.bytes[this.at]! >>> 6);
    this.#need(size);
    const first = this.bytes[this.at]! & 0x3f;
    this.at += size;
    if (size === 1) return first;
    if (size === 2) return (first << 8) | this.bytes[this.at - 1]!;
    const high = readU32(this.bytes, this.at - size) & 0x3fff_ffff;
    if (size === 4) return high;
    const value = high * 0x1_0000_0000 + readU32(this.bytes, this.at - 4);
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new ProtocolError("Cannot read a number: it is above 2^53-1");
    }
    return value;
  }

  /** Returns the next bytes as a view. */
  take(length: number): Uint8Array {
    this.#need(length);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  skip(length: number): void {
    this.#need(length);
    this.at += length;
  }

  #need(length: number): void {
    if (length > this.end - this.at) {
      throw new ProtocolError("Cannot read on: the message is cut short");
    }
  }
}
