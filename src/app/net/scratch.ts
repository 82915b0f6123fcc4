import { LONGEST_FRAME, MAX_TEXT } from "../../core/tt/frame.ts";

/** Texts of two of the longest frames: a chunk stays in the processor's cache on all of its way. */
const PLAIN = 2 * MAX_TEXT;

/** Room for what frames add, small ones too. */
const SEALED = PLAIN + 32 * 1024;

/** A shorter frame has a buffer of its size. */
const SHORT = 16 * 1024;

/** A SOCKS message is not longer. */
const MESSAGE = 600;

/** A view of so few bytes is made once, and kept. */
const FEW = 512;

/** Buffers for long frames that are kept: as many as few connections at full speed need. */
const SPARE = 16;

/**
 * Buffers that all connections of a thread share: what is in them is used up, or copied, before
 * anybody else has a turn. So a connection that is idle holds none.
 */
export class ScratchBuffers {
  /** Bytes on their way from one stream to another. */
  readonly plain = new Uint8Array(PLAIN);
  /** Frames that are being sealed or opened: between two calls of a stream nobody's. */
  readonly sealed = new Uint8Array(SEALED);
  /** The front of `plain`: room for a SOCKS message. */
  readonly message = this.plain.subarray(0, MESSAGE);
  readonly #spare: Uint8Array[] = [];
  readonly #plainFronts = new Fronts(this.plain);
  readonly #sealedFronts = new Fronts(this.sealed);

  /** The first `length` bytes of `plain`. */
  plainTo(length: number): Uint8Array {
    return this.#plainFronts.to(length);
  }

  /** The first `length` bytes of `sealed`. */
  sealedTo(length: number): Uint8Array {
    return this.#sealedFronts.to(length);
  }

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

/** Views of the front of a buffer: of few bytes, or as many as the last time, they are there already. */
class Fronts {
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
