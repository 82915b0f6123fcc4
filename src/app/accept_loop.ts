import { TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../contract/host.ts";
import type { Listener, Stream } from "../contract/stream.ts";
import { sleep } from "./wait.ts";

/** After so many connections in a row everything else has a turn. */
const BUDGET = 32;

/** How long to wait for descriptors when none is left. */
const EXHAUSTED_PAUSE = 50;

/** How often to say so. */
const SAY_EVERY = 10_000;

/**
 * Takes connections until the signal aborts. Out of descriptors it makes room and goes on.
 * @throws whatever else ends the listener
 */
export async function acceptLoop(o: {
  listener: Listener;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Owns the stream from now on; must not throw. */
  take: (stream: Stream) => void;
  /** Closes something; false when there is nothing to close. */
  makeRoom: () => boolean;
}): Promise<never> {
  let inARow = 0;
  let said = -Infinity;
  for (;;) {
    try {
      const accepting = o.listener.accept({ signal: o.signal });
      if (accepting instanceof Promise) inARow = 0;
      o.take(accepting instanceof Promise ? await accepting : accepting);
    } catch (error) {
      if (!(error instanceof TtunError) || error.kind !== "exhausted") throw error;
      if (o.clock.now() - said > SAY_EVERY) {
        o.log.warn(error.message);
        said = o.clock.now();
      }
      if (o.makeRoom()) await o.clock.turn();
      else await sleep(o.clock, EXHAUSTED_PAUSE, o.signal);
    }
    if (++inARow >= BUDGET) {
      inARow = 0;
      await o.clock.turn();
    }
  }
}
