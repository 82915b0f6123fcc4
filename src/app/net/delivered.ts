import type { Clock } from "../../contract/host.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { Stream } from "../../contract/stream.ts";

/** Interval at which the kernel is queried, in milliseconds. */
const LOOK_MS = 20;

/** Longest wait for the delivery, in milliseconds. */
const MOST_MS = 10_000;

/** Wait if the kernel cannot tell whether data was delivered, in milliseconds. */
const UNKNOWN_MS = 200;

/**
 * Calls `run` when all written data has been acknowledged, at once if it has. A reset before that
 * would discard what the kernel still holds and overtake it. Waits 10 s at most.
 */
export function whenDelivered(stream: Stream, clock: Clock, run: () => void): void {
  const began = clock.now();
  const look = (): void => {
    const { isDelivered, peerClosed }: Partial<ConnectionStats> = stream.stats?.() ?? {};
    const isGone = isDelivered === undefined && peerClosed === true; // closed at this end
    const most = isDelivered === undefined ? UNKNOWN_MS : MOST_MS;
    if (isDelivered === true || isGone || clock.now() - began >= most) run();
    else clock.after(LOOK_MS, look);
  };
  look();
}

/** Resets a stream once all written data has been acknowledged. */
export function resetBehind(stream: Stream, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    whenDelivered(stream, clock, () => {
      stream.reset();
      resolve();
    });
  });
}
