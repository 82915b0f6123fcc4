/** Points that a connection has at first and at most, and those that it gets each second. */
const MOST = 4000;
const PER_SECOND = 200;

/** Points for frames that cost this end something and the other nothing. */
export const Cost = {
  /** A stream that ends before its answer, whichever end resets it (CVE-2023-44487, 2025-8671). */
  reset: 10,
  settings: 10,
  ping: 5,
  /** A frame of data or of a header block without bytes. */
  empty: 5,
  refused: 5,
  /** A frame for a stream that is over. */
  late: 1,
  smallWindow: 2,
  /** Of a large header block, compressed: honest clients send large fields once. */
  perBlockByte: 1 / 512,
  ignored: 1,
} as const;

/** Points that an exchange brings which was answered. */
const EARNED = 10;

/**
 * Tells floods from use: what is free for the other end costs points, which come back by the second
 * and by exchanges that were answered. A browser that leaves a page of a hundred pictures, or a client
 * that pings all day, spends far less.
 */
export class FloodBudget {
  readonly #now: () => number;
  #points = MOST;
  #at: number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
    this.#at = now();
  }

  /** Returns false when there are not so many points. */
  spend(points: number): boolean {
    const now = this.#now();
    this.#points = Math.min(MOST, this.#points + (now - this.#at) * PER_SECOND / 1000) - points;
    this.#at = now;
    return this.#points >= 0;
  }

  earn(): void {
    this.#points = Math.min(MOST, this.#points + EARNED);
  }
}
