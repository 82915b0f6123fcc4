import { LONGEST_FRAME, MAX_TEXT } from "../../core/tt/frame_sizes.ts";

/** Two of the longest frames, in bytes: such a chunk stays in the processor's cache. */
const PLAIN = 2 * MAX_TEXT;

/** Adds the overhead of frames, including small ones. */
const SEALED = PLAIN + 32 * 1024;

/** Frames up to this size get a buffer of exactly their size. */
const SHORT = 16 * 1024;

/** Longest SOCKS message in bytes. */
const MESSAGE = 600;

/** Views shorter than this are created once and kept. */
const FEW = 512;

/** Buffers for long frames that are kept: enough for a few connections at full speed. */
const SPARE = 16;

/**
 * Buffers shared by all connections of a thread, so that idle ones hold none. Their content is used
 * up or copied before another connection gets a turn.
 */
export class ScratchBuffers {
  /** Bytes on their way from one stream to another. */
  readonly plain = new Uint8Array(PLAIN);
  /** Frames being sealed or opened; unused between two calls of a stream. */
  readonly sealed = new Uint8Array(SEALED);
  /** The front of `plain`, for a SOCKS message. */
  readonly message = this.plain.subarray(0, MESSAGE);
  readonly #spare: Uint8Array[] = [];
  readonly #plainFronts = new PrefixViews(this.plain);
  readonly #sealedFronts = new PrefixViews(this.sealed);

  plainTo(length: number): Uint8Array {
    return this.#plainFronts.to(length);
  }

  sealedTo(length: number): Uint8Array {
    return this.#sealedFronts.to(length);
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

/** Short views, and one of the last length, are cached. */
class PrefixViews {
  readonly #bytes: Uint8Array;
  readonly #few: (Uint8Array | undefined)[] = new Array(FEW);
  #last: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#last = bytes;
  }

  to(length: number): Uint8Array {
    if (length < FEW) return this.#few[length] ??= this.#bytes.subarray(0, length);
    if (length !== this.#last.length) this.#last = this.#bytes.subarray(0, length);
    return this.#last;
  }
}
