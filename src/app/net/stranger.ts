import type { Rng } from "../../contract/host.ts";

/** The whole handshake, in milliseconds (docs/wire/ttun-v1.md, "Conversation"). */
export const HANDSHAKE_DEADLINE = 10_000;

/**
 * Thrown if the peer does not prove the key. It gets no answer: its bytes are read and discarded,
 * so that how and when the connection ends reveals nothing (docs/wire/link-v2.md, "A stranger").
 */
export class Stranger extends Error {
  override readonly name = "Stranger";
}

/**
 * Returns the milliseconds that a connection has to prove the key: random, between one and three
 * handshake deadlines, so that the end of a stranger's connection reveals nothing.
 */
export function strangerDeadline(rng: Rng): number {
  return HANDSHAKE_DEADLINE + 2 * HANDSHAKE_DEADLINE * rng(1)[0]! / 256;
}

/** Time for which a connection with a damaged record stays open in silence, in milliseconds. */
const LEAST_SILENCE = 5_000;
const MOST_SILENCE = 20_000;

/**
 * Returns the milliseconds until a connection with a damaged record is closed: random, so that the
 * time does not reveal what was damaged (docs/wire/link-v2.md, "Record").
 */
export function damagedDeadline(rng: Rng): number {
  return LEAST_SILENCE + (MOST_SILENCE - LEAST_SILENCE) * rng(1)[0]! / 256;
}
