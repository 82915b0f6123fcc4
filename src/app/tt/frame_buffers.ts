import { LONGEST_FRAME, MAX_TEXT } from "../../core/tt/frame_sizes.ts";
import { PrefixViews } from "../net/prefix_views.ts";

/** Two of the longest frames' texts, in bytes: such a chunk stays in the processor's cache. */
export const TWO_TEXTS = 2 * MAX_TEXT;

/** Adds the overhead of frames, including small ones. */
const SEALED = TWO_TEXTS + 32 * 1024;

/** Frames up to this size get a buffer of exactly their size. */
const SHORT = 16 * 1024;

/** Buffers for long frames that are kept: enough for a few connections at full speed. */
const SPARE = 16;

/** Buffers for frames, shared by all connections of a thread as ScratchBuffers are. */
export class FrameBuffers {
  /** Frames being sealed or opened; unused between two calls of a stream. */
  readonly sealed = new Uint8Array(SEALED);
  readonly #spare: Uint8Array[] = [];
  readonly #fronts = new PrefixViews(this.sealed);

  sealedTo(length: number): Uint8Array {
    return this.#fronts.to(length);
  }

  /** Returns a buffer for a frame that arrives in parts; long ones are reused. */
  lend(size: number): Uint8Array {
    if (size <= SHORT) return new Uint8Array(size);
    return this.#spare.pop() ?? new Uint8Array(LONGEST_FRAME);
  }

  giveBack(buffer: Uint8Array): void {
    if (buffer.length === LONGEST_FRAME && this.#spare.length < SPARE) this.#spare.push(buffer);
  }
}
