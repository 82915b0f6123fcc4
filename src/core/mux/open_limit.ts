/** Opens at once, and in a second: several times what programs behind one client make. */
const BURST = 10_000;
const PER_SECOND = 10_000;

/** A token bucket for the streams that a peer opens: each costs a connection, or a refusal. */
export class OpenLimit {
  #left = BURST;
  #at: number;

  /** `now` in milliseconds. */
  constructor(now: number) {
    this.#at = now;
  }

  /** Returns false if the peer has opened too many. */
  take(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + (now - this.#at) * PER_SECOND / 1000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
