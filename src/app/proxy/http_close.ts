import type { Clock } from "../../contract/host.ts";
import { resetBehind } from "../net/delivered.ts";
import { linger } from "../net/lingering_close.ts";
import type { HttpSide } from "./http_side.ts";

/** Milliseconds for a target to accept what was written before its close. */
const LET_GO_MS = 10_000;

/** Closes a target behind what was written; resets it after LET_GO_MS. */
export async function closeTarget(
  { stream, sink }: HttpSide,
  how: "clean" | "reset",
  clock: Clock,
): Promise<void> {
  using _timer = clock.after(LET_GO_MS, () => stream.reset());
  const flushed = sink.flushed();
  // A target that has gone needs neither FIN nor RST.
  if (how === "clean") await flushed.then(() => stream.closeWrite()).catch(() => {});
  else await flushed.then(() => resetBehind(stream, clock)).catch(() => stream.reset());
  await stream[Symbol.asyncDispose]();
}

/**
 * Ends a client by FIN and a lingering close, or by RST where it must not take its last response
 * for complete. `limit` bounds the last writes, since it may never read.
 * @throws {TtunError} lost
 */
export async function endClient(
  client: HttpSide,
  how: "clean" | "reset",
  clock: Clock,
  limit: () => Disposable | null,
): Promise<void> {
  const { stream, sink } = client;
  {
    using _limit = limit();
    await sink.flushed();
    if (how === "clean") await stream.closeWrite();
  }
  if (how === "reset") await resetBehind(stream, clock);
  else if (!client.hasEnded) await linger(stream, clock);
}
