import { Buffer } from "node:buffer";
import { varintSize, writeVarint } from "../../../base/varint.ts";
import { withoutControls } from "../../../base/without_controls.ts";
import { HttpError } from "../error.ts";
import type { ResetCode } from "../exchange.ts";

/** Frames of one exchange on a stream of its own (docs/wire/gateway.md, "Exchanges"). */
export const REQUEST = 0;
export const RESPONSE = 1;
export const DATA = 2;
export const END = 3;
export const RESET = 4;

/** Bytes of an exchange's data that may be given before some have gone on. */
export const WINDOW = 64 * 1024;

/** Bytes of a frame other than of data: a head has up to 300 KiB, and three lines more. */
const MOST_CONTROL = 320 * 1024;
const MOST_HEADER = 9;
const FIRST_ROOM = 1024;

/** Codes by their number on the wire. */
const CODES: readonly ResetCode[] = [
  "cancel",
  "refused",
  "unanswered",
  "incomplete",
  "protocol",
  "timeout",
  "overload",
  "internal",
];

/** Returns a frame's type and length; `length` bytes follow. */
export function frameHeader(type: number, length: number): Uint8Array {
  const header = new Uint8Array(1 + varintSize(length));
  header[0] = type;
  writeVarint(header, 1, length);
  return header;
}

export function packFrame(type: number, body: Uint8Array): Uint8Array {
  const header = frameHeader(type, body.length);
  const frame = new Uint8Array(header.length + body.length);
  frame.set(header);
  frame.set(body, header.length);
  return frame;
}

/** `words`: one line for the other end's log. */
export function packReset(code: ResetCode, words: string): Uint8Array {
  const text = new TextEncoder().encode(words.slice(0, 200));
  const body = new Uint8Array(1 + text.length);
  body[0] = CODES.indexOf(code);
  body.set(text, 1);
  return packFrame(RESET, body);
}

export function readReset(body: Uint8Array): { code: ResetCode; words: string } {
  const words = withoutControls(new TextDecoder().decode(body.subarray(1)));
  return { code: CODES[body[0] ?? 0] ?? "internal", words };
}

/** `control` gets whole bodies, `data` parts as they come; both are views, valid for the call. */
export interface FrameEvents {
  control(type: number, body: Uint8Array): void;
  data(part: Uint8Array): void;
}

/** Reads frames from a stream cut anywhere. Holds one frame other than of data at most. */
export class FrameReader {
  readonly #events: FrameEvents;
  readonly #header = new Uint8Array(MOST_HEADER);
  #headerLength = 0;
  #type = -1;
  /** Bytes of the frame that are still to come. */
  #left = 0;
  #held = new Uint8Array();
  #length = 0;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** @throws {HttpError} 400 for an unknown type, or a frame that is too long */
  take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#type < 0) {
        this.#takeHeader(bytes[at++]!);
        continue;
      }
      const part = bytes.subarray(at, at + Math.min(this.#left, bytes.length - at));
      at += part.length;
      this.#left -= part.length;
      if (this.#type === DATA) {
        this.#events.data(part);
        if (this.#left === 0) this.#type = -1;
      } else if (this.#left === 0 && this.#length === 0) {
        this.#give(part);
      } else {
        this.#hold(part);
        if (this.#left === 0) this.#give(this.#held.subarray(0, this.#length));
      }
    }
  }

  #takeHeader(byte: number): void {
    const header = this.#header;
    header[this.#headerLength++] = byte;
    if (this.#headerLength < 2) return;
    const size = 1 << (header[1]! >>> 6);
    if (this.#headerLength < 1 + size) return;
    let length = header[1]! & 0x3f;
    for (let at = 2; at <= size; at++) length = length * 256 + header[at]!;
    const type = header[0]!;
    this.#headerLength = 0;
    if (type > RESET) throw new HttpError(400, "Cannot read a frame of an exchange: unknown type");
    if (type !== DATA && length > MOST_CONTROL) {
      throw new HttpError(431, "Cannot read a frame of an exchange: it is too long");
    }
    this.#type = type;
    this.#left = length;
    if (length > 0) return;
    if (type === DATA) this.#type = -1;
    else this.#give(new Uint8Array());
  }

  #hold(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(FIRST_ROOM, 2 * this.#held.length, length));
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(part, this.#length);
    this.#length = length;
  }

  #give(body: Uint8Array): void {
    const type = this.#type;
    this.#type = -1;
    this.#length = 0;
    this.#held = new Uint8Array();
    this.#events.control(type, body);
  }
}

/** Returns a frame's body as text of one byte a character. */
export function textOf(body: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(body, 0, body.length);
}

export function outOfTurn(): HttpError {
  return new HttpError(400, "A frame of an exchange came out of turn");
}
