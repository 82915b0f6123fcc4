import { MAX_TEXT } from "../../core/tt/frame.ts";

/** Texts of two of the longest frames: a chunk stays in the processor's cache on all of its way. */
const PLAIN = 2 * MAX_TEXT;

/** Room for what frames add, small ones too. */
const SEALED = PLAIN + 32 * 1024;

/**
 * Buffers that all connections of a thread share: what is in them is used up, or copied, before
 * anybody else has a turn. So a connection that is idle holds none.
 */
export class Scratch {
  /** Bytes on their way from one stream to another. */
  readonly plain = new Uint8Array(PLAIN);
  /** Frames that are being sealed or opened: between two calls of a stream nobody's. */
  readonly sealed = new Uint8Array(SEALED);
}
