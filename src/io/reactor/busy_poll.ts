/** Longest poll in milliseconds: about the cost of a thread's sleep and wake-up. */
const MOST_MS = 0.1;
const LEAST_MS = 0.0125;

/**
 * Milliseconds; a sched_yield that takes longer has let a thread run that has work of its own. One of
 * some microseconds lets those run that this one waits for: a program, the other end, a target.
 */
const YIELD_MS = 0.25;

/** Milliseconds without a poll after another thread wanted the processor. */
const GIVE_WAY_MS = 50;

/**
 * Polls before the thread sleeps: at short event intervals that is cheaper than a sleep and
 * wake-up, which cost some microseconds each. Adapts like the Linux kernel's halt polling: a sleep
 * short enough to have been polled through lengthens the next poll, a long one shortens it, down to
 * none. Where more threads want to run than there are cores, it takes the processor from the
 * programs that it waits for, and so gives way.
 */
export class BusyPoll {
  #budgetMs = 0;
  #notBefore = -Infinity;

  /** Milliseconds to poll; 0 = not at all. `now` in milliseconds, of the same clock each time. */
  budgetMs(now: number): number {
    return now < this.#notBefore ? 0 : this.#budgetMs;
  }

  /** Reports how long a sched_yield took, which ended at `now`; returns true to end the poll. */
  yielded(ms: number, now: number): boolean {
    if (ms <= YIELD_MS) return false;
    this.#notBefore = now + GIVE_WAY_MS;
    return true;
  }

  /** Reports a poll without an event; `ms` is the total wait until the next event. */
  waited(ms: number): void {
    if (ms > MOST_MS) this.#budgetMs = this.#budgetMs > LEAST_MS ? this.#budgetMs / 2 : 0;
    else this.#budgetMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#budgetMs));
  }
}
