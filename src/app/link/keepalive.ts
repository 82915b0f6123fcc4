import { TtunError } from "../../base/errors.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { RecordChannel } from "./record_channel.ts";
import { sleep } from "../loop/sleep.ts";

/** Seconds without a byte after which a peer counts as dead. */
export const DEAD_TIME = 15;

/**
 * Milliseconds of silence until a ping if packets were carried before. It also tells the peer
 * that this end is alive and receives (core/net/segment_watch.ts).
 */
const ASK_AFTER = 1_000;

/** Milliseconds of random extra silence inside a record: its end must not be predictable. */
const MOST_EXTRA_SILENCE = 5_000;

/** Milliseconds until the next check while a write is in progress. */
const BUSY_PAUSE = 1_000;

/**
 * Sends at least every third of the peer's dead time, less a random 0 to 20 %, and checks that
 * something arrives (docs/wire/link-v2.md, "Timers").
 * @throws {TtunError} `lost` if nothing has arrived for `deadTimeMs`; otherwise the signal's reason
 */
export async function keepAlive(
  channel: RecordChannel<never>,
  o: { clock: Clock; rng: Rng; deadTimeMs: number; signal: AbortSignal },
): Promise<never> {
  channel.ping(); // so that the round-trip time is known from the beginning
  let asked = channel.batches;
  let askedAt = -Infinity;
  for (;;) {
    const interval = channel.deadTimeMs / 3 * (1 - 0.2 * o.rng(1)[0]! / 256);
    const now = o.clock.now();
    const mayAsk = channel.batches !== asked;
    const dueIn = Math.min(
      channel.writer.lastSent + interval,
      channel.lastArrival + o.deadTimeMs,
      // Checked again by then at the latest, as packets may have arrived meanwhile.
      mayAsk ? Math.max(channel.lastArrival, askedAt) + ASK_AFTER : now + ASK_AFTER,
    ) - now;
    await sleep(o.clock, Math.max(dueIn, channel.writer.mutex.isBusy ? BUSY_PAUSE : 1), o.signal);
    if (isSilent(channel, o)) {
      // After the machine was suspended, data that waits in the socket is read first.
      await o.clock.turn();
      await sleep(o.clock, 1, o.signal);
      // If an attacker changed a length, this end waits for bytes that never come.
      if (isSilent(channel, o) && channel.isInsideRecord) {
        await sleep(o.clock, MOST_EXTRA_SILENCE * o.rng(1)[0]! / 256, o.signal);
      }
      if (isSilent(channel, o)) throw silent(o.deadTimeMs);
    }
    const isQuiet = mayAsk &&
      o.clock.now() - Math.max(channel.lastArrival, askedAt) >= ASK_AFTER;
    if (isQuiet) {
      asked = channel.batches;
      askedAt = o.clock.now();
    }
    if (isQuiet || o.clock.now() - channel.writer.lastSent >= interval) channel.ping();
  }
}

/** Time for an answer: so many milliseconds, or round trips if these take longer. */
const PROBE_TIME = 500;
const PROBE_ROUNDS = 3;

/**
 * After a possible outage; the kernel may wait seconds before it retransmits.
 * Resolves to true if anything has arrived.
 */
export async function answers(
  channel: RecordChannel<never>,
  o: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  const asked = o.clock.now();
  const roundTrips = Number.isNaN(channel.rttMs) ? 0 : PROBE_ROUNDS * channel.rttMs;
  channel.ping();
  await sleep(o.clock, Math.max(PROBE_TIME, roundTrips), o.signal);
  return channel.lastArrival >= asked;
}

function isSilent(channel: RecordChannel<never>, o: { clock: Clock; deadTimeMs: number }): boolean {
  return o.clock.now() - channel.lastArrival >= o.deadTimeMs;
}

function silent(ms: number): TtunError {
  return new TtunError(
    "lost",
    `Lost the connection: no sign of life from the peer for ${ms / 1000} s`,
  );
}
