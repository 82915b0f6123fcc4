/** Longest poll: about the cost of a thread's sleep and wake-up. */
const MOST_MS = 0.1;
const LEAST_MS = 0.0125;

/**
 * Polls before the thread sleeps: at short event intervals that is cheaper than a sleep and
 * wake-up, which cost some microseconds each. Adapts like the Linux kernel's halt polling: a sleep
 * short enough to have been polled through lengthens the next poll, a long one shortens it, down to
 * none.
 */
export class BusyPoll {
  #budgetMs = 0;

  /** Milliseconds to poll; 0 = not at all. */
  get budgetMs(): number {
    return this.#budgetMs;
  }

  /** Reports a poll without an event; `ms` is the total wait until the next event. */
  waited(ms: number): void {
    if (ms > MOST_MS) this.#budgetMs = this.#budgetMs > LEAST_MS ? this.#budgetMs / 2 : 0;
    else this.#budgetMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#budgetMs));
  }
}
