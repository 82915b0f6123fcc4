import { TtunError } from "../../base/errors.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { V2Link } from "./v2_link.ts";
import { sleep } from "../loop/sleep.ts";

/** Without a byte from the other end for so many seconds it counts as dead. */
export const DEAD_TIME = 15;

/**
 * Packets were carried, and then nothing comes for so long: the peer is asked, which tells it as
 * well that we live and hear (core/net/segment_watch.ts).
 */
const ASK_AFTER = 1_000;

/** Where the peer went silent inside a record the end is not to be foreseen: up to so much later. */
const MOST_EXTRA_SILENCE = 5_000;

/** When there is something to write already, look again so much later. */
const BUSY_PAUSE = 1_000;

/**
 * Sends something at least every third of the peer's dead time, less 0..20 % by chance, and
 * watches that something comes (docs/link-v2.md, "Timers"). Asks once more where packets were
 * carried and then nothing comes.
 * @throws {TtunError} lost when nothing has come for `deadTimeMs`; the signal's reason
 */
export async function keepAlive(
  link: V2Link,
  o: { clock: Clock; rng: Rng; deadTimeMs: number; signal: AbortSignal },
): Promise<never> {
  link.ping(); // the round-trip time is known from the beginning
  let asked = link.batches;
  for (;;) {
    const interval = link.deadTimeMs / 3 * (1 - 0.2 * o.rng(1)[0]! / 256);
    const now = o.clock.now();
    const mayAsk = link.batches !== asked;
    const dueIn = Math.min(
      link.lastSent + interval,
      link.lastArrival + o.deadTimeMs,
      // Looked at again at the latest by then, for packets may have come meanwhile.
      mayAsk ? link.lastArrival + ASK_AFTER : now + ASK_AFTER,
    ) - now;
    await sleep(o.clock, Math.max(dueIn, link.isWriting ? BUSY_PAUSE : 1), o.signal);
    if (isSilent(link, o)) {
      // After a sleep of the whole machine what lies in the socket is read first.
      await o.clock.turn();
      await sleep(o.clock, 1, o.signal);
      // A length that somebody has changed makes an end wait for bytes that never come.
      if (isSilent(link, o) && link.isInsideRecord) {
        await sleep(o.clock, MOST_EXTRA_SILENCE * o.rng(1)[0]! / 256, o.signal);
      }
      if (isSilent(link, o)) throw silent(o.deadTimeMs);
    }
    const isQuiet = mayAsk && o.clock.now() - link.lastArrival >= ASK_AFTER;
    if (isQuiet) asked = link.batches;
    if (isQuiet || o.clock.now() - link.lastSent >= interval) link.ping();
  }
}

/** How long an answer may take where no round-trip time says more, and how many of these otherwise. */
const PROBE_TIME = 500;
const PROBE_ROUNDS = 3;

/**
 * Asks for an answer after what may have been an outage: the kernel may wait for seconds before it
 * sends again what was lost. Returns whether anything has come.
 */
export async function answers(
  link: V2Link,
  o: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  const asked = o.clock.now();
  const roundTrips = Number.isNaN(link.rttMs) ? 0 : PROBE_ROUNDS * link.rttMs;
  link.ping();
  await sleep(o.clock, Math.max(PROBE_TIME, roundTrips), o.signal);
  return link.lastArrival >= asked;
}

function isSilent(link: V2Link, o: { clock: Clock; deadTimeMs: number }): boolean {
  return o.clock.now() - link.lastArrival >= o.deadTimeMs;
}

function silent(ms: number): TtunError {
  return new TtunError(
    "lost",
    `Lost the connection: no sign of life from the peer for ${ms / 1000} s`,
  );
}
