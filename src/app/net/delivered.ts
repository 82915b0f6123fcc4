import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";

/** How often the kernel is asked. */
const LOOK_MS = 20;

/** The longest time that a peer gets for it. */
const MOST_MS = 10_000;

/** Wait where the kernel cannot tell whether data was delivered, in milliseconds. */
const UNKNOWN_MS = 200;

/**
 * Calls `run` once all that was written has arrived, at once where it has: a reset throws away what
 * the kernel still holds, and would overtake it. A peer that never takes it is waited for 10 s.
 */
export function whenDelivered(stream: Stream, clock: Clock, run: () => void): void {
  const began = clock.now();
  const look = (): void => {
    const { isDelivered, peerClosed } = stream.info();
    const isGone = isDelivered === undefined && peerClosed === true; // at this end
    const most = isDelivered === undefined ? UNKNOWN_MS : MOST_MS;
    if (isDelivered === true || isGone || clock.now() - began >= most) run();
    else clock.after(LOOK_MS, look);
  };
  look();
}

/** Resets a stream once all that was written has arrived. */
export function resetBehind(stream: Stream, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    whenDelivered(stream, clock, () => {
      stream.reset();
      resolve();
    });
  });
}
