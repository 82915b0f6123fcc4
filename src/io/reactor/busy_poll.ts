/** No longer than that: about what a processor's sleep and waking up again cost everybody. */
const MOST_MS = 0.1;
/** The first step up. */
const LEAST_MS = 0.0125;

/**
 * How long to look for events again and again before the thread sleeps for them. Waking up costs who
 * waits and who wakes him some microseconds each: where events come at short intervals, not to sleep
 * costs less. As the Linux kernel does for virtual machines (halt polling): a sleep that was short
 * enough to have been looked away makes the next look longer, a long one makes it shorter, so that
 * who has little to do does not look at all.
 */
export class BusyPoll {
  #budgetMs = 0;

  /** So long to look, in milliseconds; 0 = not at all. */
  get budgetMs(): number {
    return this.#budgetMs;
  }

  /** The look was in vain; all in all it took so long until there was something. */
  waited(ms: number): void {
    if (ms > MOST_MS) this.#budgetMs = this.#budgetMs > LEAST_MS ? this.#budgetMs / 2 : 0;
    else this.#budgetMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#budgetMs));
  }
}
