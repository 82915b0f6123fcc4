/** Control frames that a peer may send at once. */
const BURST = 512;

/** And in a second from then on: a ping a second, new keys, and what is to come, many times over. */
const PER_SECOND = 128;

/**
 * Counts the frames of a peer that carry no packet, by a token bucket: each costs this end about as
 * much as a packet, and a record holds tens of thousands of them, so that a few megabits would take
 * the time of all other clients. A filler that lays a packet out costs nothing.
 */
export class ControlBudget {
  #left = BURST;
  #at: number;

  /** `now`: milliseconds of the clock. */
  constructor(now: number) {
    this.#at = now;
  }

  /** Takes `count` frames into account; false when the peer has sent too many. */
  take(count: number, now: number): boolean {
    this.#left = Math.min(BURST, this.#left + (now - this.#at) * PER_SECOND / 1000) - count;
    this.#at = now;
    return this.#left >= 0;
  }
}
