import type { Rng } from "../contract/host.ts";
import { HANDSHAKE_DEADLINE } from "./wire.ts";

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
