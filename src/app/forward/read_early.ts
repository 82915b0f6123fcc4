import type { Stream } from "../../contract/stream.ts";
import type { ScratchBuffers } from "../net/scratch.ts";

/** Most bytes that are read before the target is connected, and sent along with the request. */
const MOST_EARLY = 16 * 1024;

/** Options of an open with what has already come. */
export interface EarlyOptions {
  readonly early?: Uint8Array;
  readonly once?: boolean;
}

/** Reads what has already arrived; a relay finds an end again. @throws the stream's failure */
export function readEarly(stream: Stream, { plain }: ScratchBuffers): EarlyOptions {
  const got = stream.readNow(plain.subarray(0, MOST_EARLY));
  if (got === null || got === undefined) return {};
  return { early: plain.slice(0, got), once: true };
}
