import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { SegmentWatch, smallerAfterSilence } from "../../core/net/segment_watch.ts";
import { sleep } from "../loop/sleep.ts";

/** Time between two looks at a handshake, which is over before the first as a rule. */
const HANDSHAKE_PAUSE = 250;

/**
 * Watches what the kernel tells of a connection until its full segments are seen to get lost while
 * small ones pass; the smaller size to go on with. Waits for the signal alone where the kernel
 * tells nothing. @throws the signal's reason
 */
export async function watchSegments(
  stream: Stream,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  if (stream.info().sending === undefined) return await untilAborted(signal);
  for (const watch = new SegmentWatch();;) {
    await sleep(clock, watch.pauseMs, signal);
    const smaller = watch.look(clock.now(), stream.info());
    if (smaller !== null) return smaller;
  }
}

/** Like `watchSegments`, for a handshake. */
export async function watchHandshake(
  stream: Stream,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  if (stream.info().sending === undefined) return await untilAborted(signal);
  for (;;) {
    await sleep(clock, HANDSHAKE_PAUSE, signal);
    const smaller = smallerAfterSilence(stream.info());
    if (smaller !== null) return smaller;
  }
}

/** Never returns. @throws the signal's reason when it aborts */
export async function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  using _tie = onAbort(signal, reject);
  return await promise;
}
