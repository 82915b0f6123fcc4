import type { Rng } from "../../contract/host.ts";

/** The whole handshake, in milliseconds (docs/wire/ttun-v1.md, "Conversation"). */
export const HANDSHAKE_DEADLINE = 10_000;

/**
 * The peer does not prove the key and gets no answer. Its bytes are discarded, so that the
 * connection's end reveals nothing (docs/wire/link-v2.md, "A stranger").
 */
export class Stranger extends Error {
  override readonly name = "Stranger";
}

/** Milliseconds to prove the key: random, so that a stranger's end reveals nothing. */
export function strangerDeadline(rng: Rng): number {
  return HANDSHAKE_DEADLINE + 2 * HANDSHAKE_DEADLINE * rng(1)[0]! / 256;
}

/** Silence after a damaged record, in milliseconds. */
const LEAST_SILENCE = 5_000;
const MOST_SILENCE = 20_000;

/**
 * Milliseconds from a damaged record to the close: random, so that the time does not reveal
 * what was damaged (docs/wire/link-v2.md, "Record").
 */
export function damagedDeadline(rng: Rng): number {
  return LEAST_SILENCE + (MOST_SILENCE - LEAST_SILENCE) * rng(1)[0]! / 256;
}
