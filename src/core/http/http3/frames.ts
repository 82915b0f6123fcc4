import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { varint } from "../../../base/varint.ts";

/** A number of eight bytes, and another one. */
const LONGEST_HEADER = 16;

/** Calls for what a reader finds. Bytes are views, valid for the call. */
export interface FrameEvents {
  /**
   * A frame begins. Returns how its payload is taken: in pieces, whole (in memory, up to `length`), or
   * not at all. @throws {ProtocolError} for one that must not be there
   */
  begins(type: number, length: number): "pieces" | "whole" | "skip";
  /** A whole frame. */
  frame(type: number, payload: Uint8Array): void;
  /** Bytes of one that is taken in pieces, none empty. */
  piece(bytes: Uint8Array): void;
}

/** Reads frames of HTTP/3 (RFC 9114 section 7.1) from a stream cut anywhere. */
export class FrameReader {
  readonly #events: FrameEvents;
  readonly #header = new Uint8Array(LONGEST_HEADER);
  #headerLength = 0;
  #type = 0;
  #how: "header" | "pieces" | "whole" | "skip" = "header";
  /** Bytes of the payload that are still to come. */
  #left = 0;
  #held = new Uint8Array();
  #length = 0;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** A frame has begun and not ended. */
  get isWithin(): boolean {
    return this.#how !== "header" || this.#headerLength > 0;
  }

  /** @throws {ProtocolError} */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#how === "header") {
        this.#header[this.#headerLength++] = bytes[at++]!;
        this.#begin();
        continue;
      }
      const part = bytes.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (this.#how === "pieces") this.#events.piece(part);
      else if (this.#how === "whole") this.#hold(part);
      if (this.#left === 0) this.#end();
    }
  }

  #begin(): void {
    const first = 1 << (this.#header[0]! >>> 6);
    if (this.#headerLength <= first) return;
    const second = 1 << (this.#header[first]! >>> 6);
    if (this.#headerLength < first + second) return;
    this.#headerLength = 0;
    this.#type = readNumber(this.#header, 0, first);
    this.#left = readNumber(this.#header, first, second);
    this.#how = this.#events.begins(this.#type, this.#left);
    if (this.#how === "whole") {
      this.#held = new Uint8Array(Math.min(this.#left, 1024));
      this.#length = 0;
    }
    if (this.#left === 0) this.#end();
  }

  /** Memory grows with what has come, as nobody keeps to a length that he only says. */
  #hold(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(part, this.#length);
    this.#length = length;
  }

  #end(): void {
    const how = this.#how;
    this.#how = "header";
    if (how !== "whole") return;
    const payload = this.#held.subarray(0, this.#length);
    this.#held = new Uint8Array();
    this.#events.frame(this.#type, payload);
  }
}

/** Numbers of 62 bits beyond what is exact are too large for anything here. */
function readNumber(bytes: Uint8Array, at: number, size: number): number {
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < size; i++) value = value * 256 + bytes[at + i]!;
  if (value > Number.MAX_SAFE_INTEGER) throw new ProtocolError("HTTP/3: a number is too large");
  return value;
}

export function frameHeader(type: number, length: number): Uint8Array {
  return concat(varint(type), varint(length));
}

export function packFrame(type: number, payload: Uint8Array): Uint8Array {
  return concat(varint(type), varint(payload.length), payload);
}
