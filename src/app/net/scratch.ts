import { PrefixViews } from "./prefix_views.ts";

/** Longest SOCKS message in bytes. */
const MESSAGE = 600;

/**
 * Buffers shared by all connections of a thread, so that idle ones hold none. Their content is used
 * up or copied before another connection gets a turn.
 */
export class ScratchBuffers {
  /** Bytes on their way from one stream to another. */
  readonly plain: Uint8Array;
  /** The front of `plain`, for a SOCKS message. */
  readonly message: Uint8Array;
  readonly #fronts: PrefixViews;

  /** `size`: bytes that are carried at once. */
  constructor(size: number) {
    this.plain = new Uint8Array(size);
    this.message = this.plain.subarray(0, MESSAGE);
    this.#fronts = new PrefixViews(this.plain);
  }

  plainTo(length: number): Uint8Array {
    return this.#fronts.to(length);
  }
}
