/** Longest busy poll in milliseconds: about the cost of a thread's sleep and wake-up. */
const MOST_MS = 0.1;
/** Shortest busy poll above 0, in milliseconds. */
const LEAST_MS = 0.0125;

/**
 * Chooses how long to busy-poll for events before the thread sleeps. A wake-up costs the sleeper
 * and the waker some microseconds each, so at short event intervals it is cheaper not to sleep.
 * Adapts like the Linux kernel's halt polling for virtual machines: a sleep short enough to have
 * been polled through lengthens the next poll, a long one shortens it, down to none for an idle
 * loop.
 */
export class BusyPoll {
  #budgetMs = 0;

  /** Time to busy-poll in milliseconds; 0 = not at all. */
  get budgetMs(): number {
    return this.#budgetMs;
  }

  /**
   * Reports that the poll found no event, and the total wait until the next one, in milliseconds.
   */
  waited(ms: number): void {
    if (ms > MOST_MS) this.#budgetMs = this.#budgetMs > LEAST_MS ? this.#budgetMs / 2 : 0;
    else this.#budgetMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#budgetMs));
  }
}
