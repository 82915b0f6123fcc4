import type { Clock } from "../../contract/host.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { Stream } from "../../contract/stream.ts";

/** Interval of the queries to the kernel, in milliseconds. */
const LOOK_MS = 20;

const MOST_MS = 10_000;

/** Wait if the kernel cannot tell whether data was delivered, in milliseconds. */
const UNKNOWN_MS = 200;

/** Runs after MOST_MS at the latest; an early reset discards what the kernel still holds. */
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

export function resetBehind(stream: Stream, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    whenDelivered(stream, clock, () => {
      stream.reset();
      resolve();
    });
  });
}
