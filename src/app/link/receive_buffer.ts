import { MAX_PACKET } from "../../base/packets.ts";

/** Bytes are opened where they were read; a quarter megabyte takes many frames at once. */
const SIZE = 256 * 1024;

/** Below this much free room the unread rest moves to the front: a frame or record must always fit. */
const LEAST_ROOM = MAX_PACKET + 2;

/** A device writes its own header before each packet: there must be room before the first one. */
const FRONT = 16;

/** What has come from a stream and is not used up: `bytes[start..end)`. */
export class ReceiveBuffer {
  readonly bytes = new Uint8Array(SIZE);
  start = FRONT;
  end = FRONT;

  /** Adds bytes that came before there was a buffer. */
  add(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  get isEmpty(): boolean {
    return this.start === this.end;
  }

  /** Where to read to. What lies before `start` is no longer valid: it may be moved over. */
  space(): Uint8Array {
    if (this.start === this.end) this.start = this.end = FRONT;
    else if (this.bytes.length - this.end < LEAST_ROOM) {
      this.bytes.copyWithin(FRONT, this.start, this.end);
      this.end -= this.start - FRONT;
      this.start = FRONT;
    }
    return this.bytes.subarray(this.end);
  }

  /** Takes note of a read's outcome; false at the peer's FIN. */
  took(got: number | null): got is number {
    if (got !== null) this.end += got;
    return got !== null;
  }
}
