import { Reader } from "../../../base/varint.ts";
import { damaged } from "./codec.ts";

/** Memory that is taken for the beginning of a frame, before more of it has come. */
const FIRST_ROOM = 4096;

/** Divides a stream, which comes in pieces of any size, into frames, without reading them. */
export class FrameSplitter {
  readonly #most: number;
  #kept = new Uint8Array(0);
  #size = 0;

  /** `most`: bytes of a frame behind its length. */
  constructor(most: number) {
    this.#most = most;
  }

  /** True between frames. */
  get isAtRest(): boolean {
    return this.#size === 0;
  }

  /**
   * Returns the frames that are whole now, each with its length before it: views of `bytes`, where they
   * lie in these as a whole.
   * @throws {ProtocolError} for a length that is too much, or none
   */
  feed(bytes: Uint8Array): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (let rest = bytes; rest.length > 0;) {
      const whole = this.#size === 0 ? this.#wholeIn(rest) : 0;
      if (whole > 0) {
        found.push(rest.subarray(0, whole));
        rest = rest.subarray(whole);
        continue;
      }
      const part = rest.subarray(0, this.#needed() - this.#size);
      this.#keep(part);
      rest = rest.subarray(part.length);
      const needed = this.#needed(); // refuses a length as soon as it is there
      if (this.#size <= this.#prefix() || this.#size < needed) continue;
      found.push(this.#kept.slice(0, this.#size));
      this.#size = 0;
    }
    if (this.#size === 0) this.#kept = new Uint8Array(0);
    return found;
  }

  /** Returns the bytes of the frame at the front, which most often came in one piece; 0 = it did not. */
  #wholeIn(bytes: Uint8Array): number {
    const prefix = prefixOf(bytes);
    const size = bytes.length < prefix ? Infinity : this.#sizeOf(bytes, prefix);
    return size <= bytes.length ? size : 0;
  }

  /** Returns how many bytes are known to belong to the frame, its length among them. */
  #needed(): number {
    if (this.#size === 0) return 1;
    const prefix = this.#prefix();
    return this.#size < prefix ? prefix : this.#sizeOf(this.#kept, prefix);
  }

  /** @throws {ProtocolError} */
  #sizeOf(frame: Uint8Array, prefix: number): number {
    const length = new Reader(frame, 0, prefix).varint();
    if (length === 0) throw damaged("it is empty");
    if (length > this.#most) throw damaged(`it has more than ${this.#most} bytes`);
    return prefix + length;
  }

  #prefix(): number {
    return prefixOf(this.#kept);
  }

  /** Takes memory for no more than twice what has come. */
  #keep(part: Uint8Array): void {
    const size = this.#size + part.length;
    if (size > this.#kept.length) {
      const room = Math.max(size, FIRST_ROOM, Math.min(this.#kept.length * 2, this.#most + 8));
      const larger = new Uint8Array(room);
      larger.set(this.#kept.subarray(0, this.#size));
      this.#kept = larger;
    }
    this.#kept.set(part, this.#size);
    this.#size = size;
  }
}

/** Returns the content of a frame that has its length before it. */
export function contentOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(prefixOf(frame));
}

/** Bytes of the length at the front. */
function prefixOf(frame: Uint8Array): number {
  return 1 << (frame[0]! >>> 6);
}
