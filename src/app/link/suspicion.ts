import type { RecordChannel } from "./record_channel.ts";

/** Milliseconds, beside some round trips, in which a ping is answered. */
const LEAST_ANSWER = 700;
const ANSWER_ROUNDS = 3;

/** Milliseconds that stand for the round trip until one was measured. */
const UNKNOWN_RTT = 1000;

/** Milliseconds without a byte from the peer while a write waits, beside the round trips. */
const SUSPICIOUS_SILENCE = 3000;

/**
 * Returns true if the peer should have answered by `now`, or nothing has gone or come for a while:
 * another connection is worth a try, though this one may live.
 */
export function isSuspect(channel: RecordChannel<never>, now: number): boolean {
  const rtt = Number.isNaN(channel.rttMs) ? UNKNOWN_RTT : channel.rttMs;
  return channel.unansweredMs >= LEAST_ANSWER + ANSWER_ROUNDS * rtt ||
    channel.writer.mutex.isBusy &&
      now - channel.lastArrival >= SUSPICIOUS_SILENCE + ANSWER_ROUNDS * rtt;
}
