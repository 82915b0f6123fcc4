import { startClose } from "../../base/start_close.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { damagedDeadline } from "./stranger.ts";
import { discard } from "./discard.ts";

/** Discards input until FIN or for a random time. Never throws; the caller closes the stream. */
export async function fallSilent(stream: Stream, o: { clock: Clock; rng: Rng }): Promise<void> {
  using _deadline = o.clock.after(
    damagedDeadline(o.rng),
    () => startClose(stream),
  );
  // ended by the deadline or a reset, which makes no difference
  await discard(stream, o.clock).catch(() => {});
}
