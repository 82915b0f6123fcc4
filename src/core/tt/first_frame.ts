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

/** These bytes are always enough to find a first frame, or to know that there is none. */
export const MAX_FIRST_FRAME = MAX_FRAME_ROOM + MAX_FIRST_TEXT;

/** Frames are opened here: a wrong key may leave nothing but rubbish. */
const OPENED = new Uint8Array(MAX_FIRST_FRAME);

/** A minute whose key may be that of a connection. */
export interface MinuteCandidate {
  readonly minute: number;
  readonly secrets: FrameSecrets;
}

export type FirstBytes<C extends MinuteCandidate> =
  /** Nothing is known yet: some candidate's frame could still be whole. */
  | { readonly kind: "more" }
  /** The frame is no candidate's, for good: read on, throw away, say nothing. */
  | { readonly kind: "none" }
  | FirstFrame<C>;

export interface FirstFrame<C extends MinuteCandidate> {
  readonly kind: "frame";
  readonly candidate: C;
  /** R: the nonce (for NonceMemory), then padding (for the mark), in a copy. */
  readonly random: Uint8Array;
  /** At least one byte, in a copy. */
  readonly text: Uint8Array;
  /** Bytes of the frame; the next one follows. */
  readonly size: number;
}

/**
 * Finds a first frame's key (docs/wire/tt-v1.md, 5.7 and 7). Nothing names the minute: each
 * candidate reads a length of its own, and has its tag tried once when that many bytes are there,
 * so a stranger costs at most one short AEAD for each.
 */
export class FirstFrameFinder<C extends MinuteCandidate> {
  #left: readonly C[];

  /** `candidates`: the likeliest first; their secrets stay the caller's. */
  constructor(candidates: readonly C[]) {
    this.#left = candidates;
  }

  /**
   * `bytes[start..end)`: all of the connection so far, more each time; borrowed, not changed. From
   * `MAX_FIRST_FRAME` bytes on the answer is final.
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
