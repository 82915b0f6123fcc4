/** About the cost of a thread's sleep and wake-up. */
const MOST_MS = 0.1;
const LEAST_MS = 0.0125;

/**
 * At short event intervals polling is cheaper than sleep and wake-up, which cost some microseconds
 * each. Adapts like the Linux kernel's halt polling: a sleep short enough to have been polled
 * through lengthens the next poll, a long one shortens it, down to none for an idle loop.
 */
export class BusyPoll {
  #budgetMs = 0;

  /** 0 = no poll */
  get budgetMs(): number {
    return this.#budgetMs;
  }

  /** The poll found no event; `ms` is the total wait until the next one. */
  waited(ms: number): void {
    if (ms > MOST_MS) this.#budgetMs = this.#budgetMs > LEAST_MS ? this.#budgetMs / 2 : 0;
    else this.#budgetMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#budgetMs));
  }
}
