/** Control frames that a peer may send at once. */
const BURST = 512;

/** Control frames per second from then on: many times what an honest peer sends. */
const PER_SECOND = 128;

/** Cost of a rekey in control frames; an honest peer rekeys once an hour. */
export const REKEY_COST = 8;

/**
 * Limits a peer's frames that carry no message, by a token bucket: each costs this end about as
 * much as a packet, and a record holds tens of thousands of them, so a few megabits per second
 * would take the time of all other clients. A filler that lays a packet out costs nothing.
 */
export class ControlBudget {
  #left = BURST;
  #at: number;
  /** Frames of the open record that mean nothing and whose message may still follow. */
  fillers = 0;
  /** Frames that carry no message since the last `settle`. */
  excess = 0;

  /** `now`: milliseconds of the clock. */
  constructor(now: number) {
    this.#at = now;
  }

  /**
   * Returns and resets the strays, with the fillers beyond one before each message. A batch may end
   * between a filler and its message: unless the record is at its end, that filler is kept for the
   * next batch.
   */
  settle(messages: number, isAtEnd: boolean): number {
    const over = this.fillers - messages;
    this.fillers = over > 0 && !isAtEnd ? 1 : 0;
    const excess = this.excess + (over > 0 ? over - this.fillers : 0);
    this.excess = 0;
    return excess;
  }

  /** Charges `count` frames; returns false if the peer has sent too many. */
  take(count: number, now: number): boolean {
    this.#left = Math.min(BURST, this.#left + (now - this.#at) * PER_SECOND / 1000) - count;
    this.#at = now;
    return this.#left >= 0;
  }
}
