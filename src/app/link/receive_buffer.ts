import { MAX_PACKET } from "../../contract/batch.ts";

/** Buffer size in bytes: records are opened in place, and 256 KiB hold many frames. */
const SIZE = 256 * 1024;

/** With less room the unread rest moves to the front: a frame or record must always fit. */
const LEAST_ROOM = MAX_PACKET + 2;

/** Bytes before the first packet for the header that a device writes. */
const FRONT = 16;

/** Received and not yet processed: `bytes[start..end)`. */
export class ReceiveBuffer {
  readonly bytes = new Uint8Array(SIZE);
  start = FRONT;
  end = FRONT;

  add(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  get isEmpty(): boolean {
    return this.start === this.end;
  }

  /** Space to read into. Everything before `start` may be overwritten. */
  space(): Uint8Array {
    if (this.start === this.end) this.start = this.end = FRONT;
    else if (this.bytes.length - this.end < LEAST_ROOM) {
      this.bytes.copyWithin(FRONT, this.start, this.end);
      this.end -= this.start - FRONT;
      this.start = FRONT;
    }
    return this.bytes.subarray(this.end);
  }

  /** Returns false at the peer's FIN. */
  took(got: number | null): got is number {
    if (got !== null) this.end += got;
    return got !== null;
  }
}
