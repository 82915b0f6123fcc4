import type { Clock, Rng } from "../contract/host.ts";
import type { OnReady, Stream } from "../contract/stream.ts";
import { END, goOn, NOTHING } from "./go_on.ts";
import { HANDSHAKE_DEADLINE } from "./wire.ts";

/** Where the bytes of all strangers go. */
const WASTE = new Uint8Array(16 * 1024);

/** After so many of them without a wait the others have a turn, and the deadline a chance. */
const BUDGET = 256 * 1024;

/**
 * Why a connection is none of ours. It is told nothing: its bytes are read and thrown away, so
 * that how and when it ends tells nothing either (docs/link-v2.md, "A stranger").
 */
export class Stranger extends Error {
  override readonly name = "Stranger";
}

/** Reads and throws away until the peer's FIN. */
export function throwAway(stream: Stream, clock: Clock): Promise<void> {
  const onReady = (run: OnReady) => stream.onReadable(run);
  return goOn<void>({ clock, budget: BUDGET, onReady }, () => {
    const got = stream.readNow(WASTE);
    return got === undefined ? NOTHING : got ?? END;
  });
}

/**
 * Milliseconds that a connection has to prove the key, drawn by chance for each: between one and
 * three deadlines, so that the end of a stranger's connection tells nothing.
 */
export function strangerDeadline(rng: Rng): number {
  return HANDSHAKE_DEADLINE + 2 * HANDSHAKE_DEADLINE * rng(1)[0]! / 256;
}
