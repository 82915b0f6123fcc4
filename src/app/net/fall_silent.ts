import type { Clock, Rng } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { damagedDeadline } from "./stranger.ts";
import { discard } from "./discard.ts";

/**
 * After a damaged record: reads and drops what comes, sends nothing, and ends with the peer's FIN or
 * at a time drawn by chance. Never throws; the stream stays the caller's to close.
 */
export async function fallSilent(stream: Stream, o: { clock: Clock; rng: Rng }): Promise<void> {
  using _deadline = o.clock.after(
    damagedDeadline(o.rng),
    () => void stream[Symbol.asyncDispose](),
  );
  await discard(stream, o.clock).catch(() => {}); // ended by the deadline or by a reset: all the same
}
