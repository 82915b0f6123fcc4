const BURST = 512;

/** Control frames per second: many times what an honest peer sends. */
const PER_SECOND = 128;

/** Cost of a rekey in control frames; an honest peer rekeys once an hour. */
export const REKEY_COST = 8;

/**
 * A token bucket for frames that carry no message. Each costs about as much as a packet, and a
 * record holds tens of thousands: a few megabits per second would take the time of all other
 * clients. A filler that lays a packet out costs nothing.
 */
export class ControlBudget {
  #left = BURST;
  #at: number;
  /** Meaningless frames of the open record whose message may still follow. */
  fillers = 0;
  /** Frames that carry no message since the last `settle`. */
  excess = 0;

  constructor(now: number) {
    this.#at = now;
  }

  /**
   * Returns and resets the excess, with the fillers beyond one before each message. Unless the
   * record is at its end, one filler is kept for a message in the next batch.
   */
  settle(messages: number, isAtEnd: boolean): number {
    const over = this.fillers - messages;
    this.fillers = over > 0 && !isAtEnd ? 1 : 0;
    const excess = this.excess + (over > 0 ? over - this.fillers : 0);
    this.excess = 0;
    return excess;
  }

  /** Returns false if the peer has sent too many. */
  take(count: number, now: number): boolean {
    this.#left = Math.min(BURST, this.#left + (now - this.#at) * PER_SECOND / 1000) - count;
    this.#at = now;
    return this.#left >= 0;
  }
}
