import { Reader } from "../../../base/varint.ts";
import type { Frame } from "../frame.ts";
import { damaged } from "./codec.ts";
import { readContent } from "./frame_codec.ts";

/** Bytes of a frame without its length: on a control stream, and on one for bulk. */
export const MAX_FRAME = 64 * 1024;
export const MAX_BULK_FRAME = 512 * 1024;

/** Memory that is taken for the beginning of a frame, before more of it has come. */
const FIRST_ROOM = 4096;

/** Reads frames from a stream in pieces of any size. */
export class FrameReader {
  readonly #most: number;
  #kept = new Uint8Array(0);
  #size = 0;

  /** `most`: bytes of a frame. */
  constructor(most: number) {
    this.#most = most;
  }

  /** True between frames. */
  get isAtRest(): boolean {
    return this.#size === 0;
  }

  /** Returns the frames that are whole now. @throws {ProtocolError} for one that is none */
  feed(bytes: Uint8Array): Frame[] {
    const found: Frame[] = [];
    let rest = bytes;
    while (rest.length > 0) {
      const whole = this.#needed();
      const part = rest.subarray(0, whole - this.#size);
      this.#keep(part);
      rest = rest.subarray(part.length);
      const needed = this.#needed();
      if (this.#size < needed || !this.#hasLength()) continue;
      const frame = readContent(this.#content());
      this.#size = 0;
      if (frame !== null) found.push(frame);
    }
    if (this.#size === 0) this.#kept = new Uint8Array(0);
    return found;
  }

  /** Returns how many bytes are known to belong to the frame, its length among them. */
  #needed(): number {
    if (this.#size === 0) return 1;
    const prefix = this.#prefix();
    if (this.#size < prefix) return prefix;
    const length = new Reader(this.#kept, 0, prefix).varint();
    if (length === 0) throw damaged("it is empty");
    if (length > this.#most) throw damaged(`it has more than ${this.#most} bytes`);
    return prefix + length;
  }

  #prefix(): number {
    return 1 << (this.#kept[0]! >>> 6);
  }

  #hasLength(): boolean {
    return this.#size > this.#prefix();
  }

  #content(): Uint8Array {
    return this.#kept.subarray(this.#prefix(), this.#size);
  }

  /** Takes memory for no more than twice what has come. */
  #keep(part: Uint8Array): void {
    const size = this.#size + part.length;
    if (size > this.#kept.length) {
      const larger = new Uint8Array(
        Math.max(size, Math.min(this.#kept.length * 2, this.#most + 8)),
      );
      larger.set(this.#kept.subarray(0, this.#size));
      this.#kept = larger.length < FIRST_ROOM ? grown(larger) : larger;
    }
    this.#kept.set(part, this.#size);
    this.#size = size;
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(FIRST_ROOM);
  larger.set(bytes);
  return larger;
}
