import { readU32 } from "../../../base/bytes.ts";
import { ConnectionError } from "./connection_error.ts";
import { ErrorCode, Flag, Frame, HEADER_SIZE, MAX_FRAME } from "./constants.ts";

/** Calls for what a reader finds. Payloads and parts are views, valid for the call. */
export interface FrameEvents {
  /** A whole frame other than of data. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void;
  /** A frame of data begins, of `length` bytes with its padding. */
  dataBegins(stream: number, length: number, isEnd: boolean): void;
  /** Bytes of the frame, none empty. */
  data(part: Uint8Array): void;
  /** Bytes of it that are padding. */
  padding(length: number): void;
  dataEnds(isEnd: boolean): void;
}

/** Reads frames from a stream cut anywhere. Holds one frame at most, and none of data. */
export class FrameReader {
  readonly #events: FrameEvents;
  readonly #header = new Uint8Array(HEADER_SIZE);
  #headerLength = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  /** Bytes of the payload that are still to come. */
  #left = 0;
  /** Bytes of them that are padding, in a frame of data; -1 = the byte that says so is to come. */
  #padding = 0;
  #held = new Uint8Array();
  #length = 0;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** @throws {ConnectionError} for a frame that is too long, or has more padding than it has bytes */
  take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#headerLength < HEADER_SIZE) {
        at += this.#takeHeader(bytes, at);
        continue;
      }
      const size = Math.min(this.#left, bytes.length - at);
      if (this.#type === Frame.data) at += this.#takeData(bytes, at, size);
      else {
        this.#takePayload(bytes.subarray(at, at + size));
        at += size;
      }
    }
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const header = this.#header;
    const size = Math.min(HEADER_SIZE - this.#headerLength, bytes.length - at);
    for (let i = 0; i < size; i++) header[this.#headerLength++] = bytes[at + i]!;
    if (this.#headerLength === HEADER_SIZE) this.#begin(header);
    return size;
  }

  #begin(header: Uint8Array): void {
    this.#left = (header[0]! << 16) | (header[1]! << 8) | header[2]!;
    this.#type = header[3]!;
    this.#flags = header[4]!;
    this.#stream = readU32(header, 5) & 0x7fff_ffff;
    if (this.#left > MAX_FRAME) {
      throw new ConnectionError(ErrorCode.frameSize, "a frame is too long");
    }
    if (this.#type !== Frame.data) {
      if (this.#left === 0) this.#give(new Uint8Array());
      return;
    }
    const isPadded = (this.#flags & Flag.padded) !== 0;
    if (isPadded && this.#left === 0) throw badPadding();
    this.#padding = isPadded ? -1 : 0;
    this.#events.dataBegins(this.#stream, this.#left, this.#isEnd);
    if (this.#left === 0) this.#endData();
  }

  get #isEnd(): boolean {
    return (this.#flags & Flag.endStream) !== 0;
  }

  #takeData(bytes: Uint8Array, at: number, size: number): number {
    if (this.#padding < 0) {
      this.#padding = bytes[at]!;
      this.#left--;
      if (this.#padding > this.#left) throw badPadding();
      this.#events.padding(1 + this.#padding);
      if (this.#left === 0) this.#endData();
      return 1;
    }
    const ofData = Math.min(size, this.#left - this.#padding);
    if (ofData > 0) this.#events.data(bytes.subarray(at, at + ofData));
    const rest = size - ofData;
    this.#padding -= rest;
    this.#left -= size;
    if (this.#left === 0) this.#endData();
    return size;
  }

  #endData(): void {
    this.#headerLength = 0;
    this.#events.dataEnds(this.#isEnd);
  }

  #takePayload(part: Uint8Array): void {
    this.#left -= part.length;
    if (this.#left === 0 && this.#length === 0) return this.#give(part);
    if (this.#length === 0) this.#held = new Uint8Array(part.length + this.#left);
    this.#held.set(part, this.#length);
    this.#length += part.length;
    if (this.#left === 0) this.#give(this.#held);
  }

  #give(payload: Uint8Array): void {
    this.#headerLength = this.#length = 0;
    this.#held = new Uint8Array();
    this.#events.frame(this.#type, this.#flags, this.#stream, payload);
  }
}

function badPadding(): ConnectionError {
  return new ConnectionError(ErrorCode.protocol, "a frame has more padding than bytes");
}
