import type { Rng } from "../../contract/host.ts";

/** The whole handshake, in milliseconds (docs/ttun-v1.md, "Conversation"). */
export const HANDSHAKE_DEADLINE = 10_000;

/**
 * Why a connection is none of ours. It is told nothing: its bytes are read and thrown away, so
 * that how and when it ends tells nothing either (docs/link-v2.md, "A stranger").
 */
export class Stranger extends Error {
  override readonly name = "Stranger";
}

/**
 * Milliseconds that a connection has to prove the key, drawn by chance for each: between one and
 * three deadlines, so that the end of a stranger's connection tells nothing.
 */
export function strangerDeadline(rng: Rng): number {
  return HANDSHAKE_DEADLINE + 2 * HANDSHAKE_DEADLINE * rng(1)[0]! / 256;
}

/** How long a connection with a damaged record stays open without a word, in milliseconds. */
const LEAST_SILENCE = 5_000;
const MOST_SILENCE = 20_000;

/**
 * Milliseconds until the end of a connection on which a record was damaged, drawn by chance: when
 * it ends tells nothing of what was damaged (docs/link-v2.md, "Record").
 */
export function damagedDeadline(rng: Rng): number {
  return LEAST_SILENCE + (MOST_SILENCE - LEAST_SILENCE) * rng(1)[0]! / 256;
}
