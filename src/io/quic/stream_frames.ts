/**
 * A QUIC stream carries frames of its own (docs/wire/quic.md), as Deno tells an aborted stream from
 * an ended one at neither end.
 */
export const FRAME = {
  /** A length, u16, and so many bytes. */
  data: 0,
  /** No more data follows. */
  end: 1,
  /** The other end's `end` has arrived. */
  gotEnd: 2,
  /** All that comes from now on is thrown away. */
  deaf: 3,
} as const;

/** Bytes before those of a data frame. */
export const HEADER = 3;

/** Bytes of a data frame. */
export const MOST_DATA = 65_535;

/** The first byte of each direction: the version of these frames. */
export const PREFACE = 1;

/** Returns a frame with room for so much data behind its header. */
export function dataFrame(length: number): Uint8Array {
  const frame = new Uint8Array(HEADER + length);
  frame[0] = FRAME.data;
  frame[1] = length >>> 8;
  frame[2] = length;
  return frame;
}

export interface FrameEvents {
  /** Lies in the bytes that were given. */
  data(bytes: Uint8Array): void;
  end(): void;
  gotEnd(): void;
  deaf(): void;
}

/** Reads one direction of a stream, in pieces of any size. It keeps no data. */
export class FrameReader {
  #hasBegun = false;
  /** Bytes of the header that have been read, and the data's length as far as it is known. */
  #header = 0;
  #left = 0;
  #hasEnded = false;

  /** @throws {RangeError} for bytes that are no frames */
  feed(bytes: Uint8Array, events: FrameEvents): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#header === HEADER) {
        const part = bytes.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#left === 0) this.#header = 0;
        events.data(part);
        continue;
      }
      const byte = bytes[at++]!;
      if (!this.#hasBegun) this.#begin(byte);
      else if (this.#header > 0) this.#readLength(byte);
      else this.#readType(byte, events);
    }
  }

  #begin(byte: number): void {
    if (byte !== PREFACE) throw new RangeError(`it speaks version ${byte} of the stream's frames`);
    this.#hasBegun = true;
  }

  #readLength(byte: number): void {
    this.#left = this.#header === 1 ? byte : this.#left << 8 | byte;
    this.#header++;
    if (this.#header === HEADER && this.#left === 0) throw new RangeError("an empty frame");
  }

  #readType(byte: number, events: FrameEvents): void {
    switch (byte) {
      case FRAME.data:
        if (this.#hasEnded) throw new RangeError("data behind the end");
        this.#header = 1;
        return;
      case FRAME.end:
        if (this.#hasEnded) throw new RangeError("a second end");
        this.#hasEnded = true;
        return events.end();
      case FRAME.gotEnd:
        return events.gotEnd();
      case FRAME.deaf:
        return events.deaf();
      default:
        throw new RangeError(`a frame of an unknown type, ${byte}`);
    }
  }
}
