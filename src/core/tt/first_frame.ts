import { copyBytes } from "../../base/small_alloc.ts";
import {
  type FrameSecrets,
  IMPOSSIBLE,
  measureFrame,
  NEEDS_MORE,
  openFrame,
  randomOf,
} from "./frame.ts";
import { MAX_FRAME_ROOM } from "./frame_sizes.ts";

/** The longest text of a first frame: no existing program sends, or reads, a longer one. */
export const MAX_FIRST_TEXT = 4096;

/** Bytes that always suffice to find a first frame, or to know that there is none. */
export const MAX_FIRST_FRAME = MAX_FRAME_ROOM + MAX_FIRST_TEXT;

/** Where frames are opened: a wrong key may leave nothing but rubbish. */
const OPENED = new Uint8Array(MAX_FIRST_FRAME);

/** A minute whose key may be that of a connection. */
export interface Candidate {
  readonly minute: number;
  readonly secrets: FrameSecrets;
}

/** Result of the search in the first bytes of a connection. */
export type FirstBytes<C extends Candidate> =
  /** Nothing yet: some candidate's frame could still be whole. */
  | { readonly kind: "more" }
  /** No candidate's, for good: read on, throw away, say nothing. */
  | { readonly kind: "none" }
  | FirstFrame<C>;

export interface FirstFrame<C extends Candidate> {
  readonly kind: "frame";
  readonly candidate: C;
  /** R: the nonce (for NonceMemory), then padding (for the mark). A copy. */
  readonly random: Uint8Array;
  /** At least one byte. A copy. */
  readonly text: Uint8Array;
  /** Bytes of the frame; what follows them is the next frame. */
  readonly size: number;
}

/**
 * Finds out whose key a connection's first frame is under (docs/wire/tt-v1.md, 5.7 and 7). Nothing on
 * the wire names the minute, so each candidate reads a length of its own, and has its tag tried
 * once when that many bytes are there: a stranger costs at most one short AEAD for each.
 */
export class FirstFrameFinder<C extends Candidate> {
  #left: readonly C[];

  /** `candidates`: the likeliest first; their secrets stay the caller's. */
  constructor(candidates: readonly C[]) {
    this.#left = candidates;
  }

  /**
   * `bytes[start..end)`: all bytes of the connection so far, the same as last time and more behind
   * them. They are borrowed and not changed. From `MAX_FIRST_FRAME` bytes on the answer is final.
   */
  find(bytes: Uint8Array, start: number, end: number): FirstBytes<C> {
    const left: C[] = [];
    for (const candidate of this.#left) {
      const size = measureFrame(candidate.secrets.mask, bytes, start, end, MAX_FIRST_TEXT);
      if (size === IMPOSSIBLE) continue;
      if (size === NEEDS_MORE || size > end - start) left.push(candidate);
      else {
        const { secrets } = candidate;
        const length = openFrame(secrets, bytes, start, size, OPENED);
        if (length < 0) continue;
        const random = copyBytes(randomOf(secrets.mask, bytes, start));
        const text = copyBytes(OPENED.subarray(0, length));
        return { kind: "frame", candidate, random, text, size };
      }
    }
    this.#left = left;
    return { kind: left.length === 0 ? "none" : "more" };
  }
}
