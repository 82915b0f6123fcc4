import type { SendingInfo } from "../../contract/stats.ts";

/**
 * A path on which full segments get lost and nobody says so (RFC 2923, "black hole"): the sender
 * sends one again and again, while small segments pass. Pure: facts of the connection and the time
 * go in, a smaller segment size comes out.
 */

/** A connection's facts: bytes acknowledged, size of a full segment, round trip (milliseconds). */
export interface WatchedFacts {
  readonly acked?: number;
  readonly segmentBytes?: number;
  readonly rttMs?: number;
  readonly sending?: SendingInfo;
}

/**
 * Segment sizes that are tried one after the other, in bytes of TCP payload and options (MSS):
 * for jumbo frames first what an Ethernet of 1500 bytes carries (1440 fits IPv6), then IPv6's least
 * MTU of 1280, where tunnels of all kinds have room (RFC 8200 section 5), then what every path
 * carries (RFC 9293 section 3.7.1). What lies between would gain less than four per cent, and cost a
 * search of seconds.
 */
const SEGMENT_SIZES = [1440, 1220, 536] as const;

/** The MSS that every path carries, in bytes. */
export const LEAST_SEGMENT_SIZE = 536;

/** A size that is hardly smaller than today's is not worth a new connection. */
const WORTH_IT = 0.9;

/** The next smaller size than that of a full segment now, or null where there is none. */
export function smallerSegment(segmentBytes: number): number | null {
  return SEGMENT_SIZES.find((size) => size < segmentBytes * WORTH_IT) ?? null;
}

/** Options that may stand in every segment (time stamps). */
const OPTIONS = 12;

/**
 * How often the timer must have run out before a size is given up: seldom where no full segment has
 * passed yet, more often where they have, since a lossy link loses some of them by chance.
 */
const TIMEOUTS_UNPROVEN = 2;
const TIMEOUTS_PROVEN = 5;

/** A handshake, in which nothing has to be heard from the peer for a while, has less to lose. */
const TIMEOUTS_HANDSHAKE = 3;

/** An answer to what was sent again has at least this long to come, and two round trips. */
const LEAST_GRACE = 200;

/** Time between two looks: in trouble, with something under way, else. */
const TROUBLE_PAUSE = 100;
const BUSY_PAUSE = 250;
const IDLE_PAUSE = 1000;

/** A share of a full segment that counts as one, since the last of a batch is short. */
const FULL = 0.9;

/** The oldest segment is being sent again and again. */
interface Trouble {
  readonly acked: number;
  readonly segmentsIn: number;
  /** The peer was heard meanwhile: what had been sent again by then. */
  heardAfter: number | null;
  /** When it was first seen that, after that, something was sent again. */
  sentAgainAt: number | null;
}

/**
 * During a handshake: the smaller size to try, when what was sent is not acknowledged again and
 * again; null while there is hope, or nothing smaller.
 */
export function smallerAfterSilence({ segmentBytes, sending }: WatchedFacts): number | null {
  if (segmentBytes === undefined || sending === undefined) return null;
  const smaller = smallerSegment(segmentBytes);
  const isLarge = smaller !== null && sending.inFlightBytes > LEAST_SEGMENT_SIZE - OPTIONS;
  return isLarge && sending.timeouts >= TIMEOUTS_HANDSHAKE ? smaller : null;
}

/**
 * When nothing of the peer's data has come for `silentMs`: the smaller size to try, where its kernel
 * has acknowledged ours meanwhile. Then the path works for small segments, and what the peer sends
 * is most likely getting lost. Null where it says nothing of that.
 */
export function smallerAfterQuiet(
  { segmentBytes, sending }: WatchedFacts,
  silentMs: number,
): number | null {
  if (segmentBytes === undefined || sending === undefined) return null;
  return sending.heardMsAgo < silentMs / 2 ? smallerSegment(segmentBytes) : null;
}

/** One connection under watch. */
export class SegmentWatch {
  #trouble: Trouble | null = null;
  /** The size of full segments that are known to pass. */
  #proven = 0;
  /** Where the average size of segments is counted from: nothing was out of order then. */
  #counted: { acked: number; delivered: number } | null = null;
  /** When to look again, in milliseconds. */
  pauseMs: number = IDLE_PAUSE;

  /**
   * Looks once; the smaller size to go on with, or null. The answer is a size when full segments
   * were lost again after the peer had been heard: then the path works, for small ones.
   */
  look(now: number, { acked, segmentBytes, rttMs = 0, sending }: WatchedFacts): number | null {
    if (acked === undefined || segmentBytes === undefined || sending === undefined) return null;
    this.pauseMs = sending.inFlightBytes > 0 ? BUSY_PAUSE : IDLE_PAUSE;
    if (sending.timeouts === 0 || (this.#trouble !== null && this.#trouble.acked !== acked)) {
      this.#trouble = null;
    }
    if (sending.timeouts === 0) {
      this.#prove(acked, segmentBytes, sending);
      return null;
    }
    const smaller = smallerSegment(segmentBytes);
    if (smaller === null || sending.inFlightBytes <= smaller - OPTIONS) return null;
    this.pauseMs = TROUBLE_PAUSE;
    const { segmentsIn, retransmitted, heardMsAgo, sentMsAgo } = sending;
    const trouble = this.#trouble ??= { acked, segmentsIn, heardAfter: null, sentAgainAt: null };
    const isHeard = segmentsIn > trouble.segmentsIn || heardMsAgo < sentMsAgo;
    if (isHeard) trouble.heardAfter ??= retransmitted;
    if (trouble.heardAfter !== null && retransmitted > trouble.heardAfter) {
      trouble.sentAgainAt ??= now;
    }
    const needed = this.#proven >= segmentBytes ? TIMEOUTS_PROVEN : TIMEOUTS_UNPROVEN;
    const grace = Math.max(LEAST_GRACE, 2 * rttMs);
    const isSure = trouble.sentAgainAt !== null && now - trouble.sentAgainAt >= grace &&
      sending.timeouts >= needed;
    return isSure ? smaller : null;
  }

  /** Full segments pass where those of a while are nearly full on the average. */
  #prove(acked: number, segmentBytes: number, { delivered, sacked }: SendingInfo): void {
    if (sacked > 0) return;
    const since = this.#counted;
    this.#counted = { acked, delivered };
    if (since === null || delivered === since.delivered) return;
    const average = (acked - since.acked) / (delivered - since.delivered);
    if (average >= FULL * segmentBytes) this.#proven = segmentBytes;
  }
}
