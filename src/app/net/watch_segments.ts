import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import { SegmentWatch, smallerAfterSilence } from "../../core/net/segment_watch.ts";
import { sleep } from "../loop/sleep.ts";

/** Milliseconds; most handshakes end before the first check. */
const HANDSHAKE_PAUSE = 250;

/**
 * Waits until full segments get lost while small ones pass. Resolves to the smaller segment size,
 * in bytes; never if the kernel provides no statistics.
 * @throws the signal's reason
 */
export async function watchSegments(
  stream: Connection,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  if (stream.stats().sending === undefined) return await untilAborted(signal);
  for (const watch = new SegmentWatch();;) {
    await sleep(clock, watch.pauseMs, signal);
    const smaller = watch.look(clock.now(), stream.stats());
    if (smaller !== null) return smaller;
  }
}

/** Like `watchSegments`, for a handshake. */
export async function watchHandshake(
  stream: Connection,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  if (stream.stats().sending === undefined) return await untilAborted(signal);
  for (;;) {
    await sleep(clock, HANDSHAKE_PAUSE, signal);
    const smaller = smallerAfterSilence(stream.stats());
    if (smaller !== null) return smaller;
  }
}

/** Never resolves; throws the signal's reason. */
export async function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  using _registration = onAbort(signal, reject);
  return await promise;
}
