import type { SendingInfo } from "../../contract/stats.ts";

/**
 * Finds a path on which full segments get lost and nobody says so (RFC 2923, "black hole"): the
 * sender sends one again and again, while small ones pass. Pure.
 */

/** Facts: bytes acknowledged, size of a full segment, round trip (milliseconds). */
export interface WatchedFacts {
  readonly acked?: number;
  readonly segmentBytes?: number;
  readonly rttMs?: number;
  readonly sending?: SendingInfo;
}

/**
 * Sizes (MSS) to try: for an Ethernet of 1500 bytes (1440 fits IPv6), for IPv6's least MTU of 1280,
 * where tunnels have room (RFC 8200 section 5), for every path (RFC 9293 section 3.7.1). Sizes in
 * between gain less than four per cent, and cost seconds.
 */
const SEGMENT_SIZES = [1440, 1220, 536] as const;

/** MSS in bytes that every path carries. */
export const LEAST_SEGMENT_SIZE = 536;

/** A size that is hardly smaller is not worth a new connection. */
const WORTH_IT = 0.9;

/** Returns the next smaller size; null where there is none. */
export function smallerSegment(segmentBytes: number): number | null {
  return SEGMENT_SIZES.find((size) => size < segmentBytes * WORTH_IT) ?? null;
}

/** Bytes of options: time stamps may stand in every segment. */
const OPTIONS = 12;

/**
 * Time-outs before a size is given up: more where full segments have passed, since a lossy link
 * loses some of them by chance.
 */
const TIMEOUTS_UNPROVEN = 2;
const TIMEOUTS_PROVEN = 5;

/** A handshake may hear nothing for a while, and has less to lose. */
const TIMEOUTS_HANDSHAKE = 3;

/** An answer to what was sent again has at least this long to come, and two round trips. */
const LEAST_GRACE = 200;

/** Pauses between looks: in trouble, with something under way, else. */
const TROUBLE_PAUSE = 100;
const BUSY_PAUSE = 250;
const IDLE_PAUSE = 1000;

/** A share that counts as full, since the last segment of a batch is short. */
const FULL = 0.9;

/** The oldest segment is being sent again and again. */
interface Trouble {
  readonly acked: number;
  readonly segmentsIn: number;
  /** Count of segments sent again by the time that the peer was heard. */
  heardAfter: number | null;
  /** Time when something was first seen to be sent again after that. */
  sentAgainAt: number | null;
}

/** Returns a handshake's smaller size when nothing is acknowledged again and again, or null. */
export function smallerAfterSilence({ segmentBytes, sending }: WatchedFacts): number | null {
  if (segmentBytes === undefined || sending === undefined) return null;
  const smaller = smallerSegment(segmentBytes);
  const isLarge = smaller !== null && sending.inFlightBytes > LEAST_SEGMENT_SIZE - OPTIONS;
  return isLarge && sending.timeouts >= TIMEOUTS_HANDSHAKE ? smaller : null;
}

/**
 * Returns the smaller size if after `silentMs` without data the peer's kernel has acknowledged
 * ours, so that what it sends is most likely getting lost; else null.
 */
export function smallerAfterQuiet(
  { segmentBytes, sending }: WatchedFacts,
  silentMs: number,
): number | null {
  if (segmentBytes === undefined || sending === undefined) return null;
  return sending.heardMsAgo < silentMs / 2 ? smallerSegment(segmentBytes) : null;
}

export class SegmentWatch {
  #trouble: Trouble | null = null;
  /** Size of full segments that are known to pass. */
  #proven = 0;
  /** Start of the average size of segments: nothing was out of order then. */
  #counted: { acked: number; delivered: number } | null = null;
  /** Milliseconds until the next look. */
  pauseMs: number = IDLE_PAUSE;

  /** Returns a smaller size, or null: full segments got lost again though the peer was heard. */
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

  /** Proves a size: full segments pass where the average is nearly full. */
  #prove(acked: number, segmentBytes: number, { delivered, sacked }: SendingInfo): void {
    if (sacked > 0) return;
    const since = this.#counted;
    this.#counted = { acked, delivered };
    if (since === null || delivered === since.delivered) return;
    const average = (acked - since.acked) / (delivered - since.delivered);
    if (average >= FULL * segmentBytes) this.#proven = segmentBytes;
  }
}
