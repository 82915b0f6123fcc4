import type { Clock } from "../../contract/host.ts";

/** Part of a core's time that strangers may cost, and milliseconds that they may cost at once. */
const SHARE = 0.05;
const MOST_AT_ONCE_MS = 25;

export interface StrangerBudgetOptions {
  readonly clock: Clock;
  /** Milliseconds at this very moment: a clock may tell the time of its loop's last turn. */
  readonly preciseNow: () => number;
}

/** Limits the time that first bytes cost which are right for no key: others wait for their turn. */
export class StrangerBudget implements Disposable {
  readonly #clock: Clock;
  readonly #preciseNow: () => number;
  /** Milliseconds that may be spent, at a time of the clock; negative = somebody has overdrawn it. */
  #left = MOST_AT_ONCE_MS;
  #at: number;
  /** Called in their order; each is told once. */
  readonly #waiting = new Set<() => void>();
  #timer: Disposable | null = null;

  constructor({ clock, preciseNow }: StrangerBudgetOptions) {
    this.#clock = clock;
    this.#preciseNow = preciseNow;
    this.#at = clock.now();
  }

  /** Returns true if a search may begin at once. */
  mayBegin(): boolean {
    this.#refill();
    return this.#left > 0 && this.#waiting.size === 0;
  }

  /** Calls `run` when it is its turn to search, unless it is disposed of before. */
  wait(run: () => void): Disposable {
    this.#waiting.add(run);
    this.#wakeLater();
    return { [Symbol.dispose]: () => void this.#waiting.delete(run) };
  }

  /** Runs a search, and counts its time if it was in vain. */
  run<T>(search: () => T, isInVain: (found: T) => boolean): T {
    const began = this.#preciseNow();
    const found = search();
    if (isInVain(found)) {
      this.#refill();
      this.#left -= this.#preciseNow() - began;
    }
    return found;
  }

  #refill(): void {
    const now = this.#clock.now();
    this.#left = Math.min(MOST_AT_ONCE_MS, this.#left + (now - this.#at) * SHARE);
    this.#at = now;
  }

  #wakeLater(): void {
    this.#timer ??= this.#clock.after(Math.max(1, -this.#left / SHARE), this.#wake);
  }

  readonly #wake = (): void => {
    this.#timer = null;
    this.#refill();
    if (this.#left > 0) {
      for (const run of this.#waiting) {
        this.#waiting.delete(run);
        run();
        break;
      }
    }
    if (this.#waiting.size > 0) this.#wakeLater();
  };

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#waiting.clear();
  }
}

/** The turn of one search. */
export class StrangerTurn implements Disposable {
  readonly #budget: StrangerBudget;
  #coming: Promise<void> | null = null;
  #waiting: Disposable | null = null;
  #isHere = false;

  constructor(budget: StrangerBudget) {
    this.#budget = budget;
  }

  /** Returns false if the search has to wait for `coming`. */
  mayGoOn(): boolean {
    if (this.#isHere) return true;
    if (this.#coming !== null) return false;
    if (this.#budget.mayBegin()) return this.#isHere = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#coming = promise;
    this.#waiting = this.#budget.wait(() => {
      this.#isHere = true;
      this.#coming = null;
      resolve();
    });
    return false;
  }

  /** Resolves when the turn is here; null = nobody waits for it. */
  get coming(): Promise<void> | null {
    return this.#coming;
  }

  /** The search is over, or nobody waits for it any more. */
  [Symbol.dispose](): void {
    this.#waiting?.[Symbol.dispose]();
  }
}
