import { LONGEST_FRAME, MAX_TEXT } from "../../core/tt/frame.ts";

/** Texts of two of the longest frames: a chunk stays in the processor's cache on all of its way. */
const PLAIN = 2 * MAX_TEXT;

/** Room for what frames add, small ones too. */
const SEALED = PLAIN + 32 * 1024;

/** A shorter frame has a buffer of its size. */
const SHORT = 16 * 1024;

/** A SOCKS message is not longer. */
const MESSAGE = 600;

/** Buffers for long frames that are kept: as many as few connections at full speed need. */
const SPARE = 16;

/**
 * Buffers that all connections of a thread share: what is in them is used up, or copied, before
 * anybody else has a turn. So a connection that is idle holds none.
 */
export class Scratch {
  /** Bytes on their way from one stream to another. */
  readonly plain = new Uint8Array(PLAIN);
  /** Frames that are being sealed or opened: between two calls of a stream nobody's. */
  readonly sealed = new Uint8Array(SEALED);
  /** The front of `plain`: room for a SOCKS message. */
  readonly message = this.plain.subarray(0, MESSAGE);
  readonly #spare: Uint8Array[] = [];

  /** A buffer for a frame of that size that comes in parts. A long one is not made anew each time. */
  lend(size: number): Uint8Array {
    if (size <= SHORT) return new Uint8Array(size);
    return this.#spare.pop() ?? new Uint8Array(LONGEST_FRAME);
  }

  /** Nobody needs it any more. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.length === LONGEST_FRAME && this.#spare.length < SPARE) this.#spare.push(buffer);
  }
}
