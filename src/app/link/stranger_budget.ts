import type { Clock } from "../../contract/host.ts";

/** Part of a core's time that strangers may cost, and milliseconds that they may cost at once. */
const SHARE = 0.05;
const MOST_AT_ONCE_MS = 25;

export interface StrangerBudgetOptions {
  readonly clock: Clock;
  /** Milliseconds at this very moment: a clock may tell the time of its loop's last turn. */
  readonly preciseNow: () => number;
}

/**
 * Limits the time that searches for the key of first bytes cost. Each is charged until it has led to
 * a client. When too much is spent, those that come wait, and address groups take turns: a flood from
 * one of them delays others by one search.
 */
export class StrangerBudget implements Disposable {
  readonly #clock: Clock;
  readonly #preciseNow: () => number;
  /** Milliseconds that may be spent, at a time of the clock; negative = somebody has overdrawn it. */
  #left = MOST_AT_ONCE_MS;
  #at: number;
  /** Callbacks by address group: the group whose turn is next comes first, of each the oldest. */
  readonly #waiting = new Map<string, Set<() => void>>();
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

  /** Calls `run` once, when it is the group's turn to search, unless it is disposed of before. */
  wait(group: string, run: () => void): Disposable {
    const members = this.#waiting.get(group) ?? new Set();
    this.#waiting.set(group, members.add(run));
    this.#wakeLater();
    return { [Symbol.dispose]: () => this.#remove(group, members, run) };
  }

  /** Charges the time of a search; returns it in milliseconds, for `giveBack`. */
  run(search: () => void): number {
    const began = this.#preciseNow();
    search();
    this.#refill();
    const spent = this.#preciseNow() - began;
    this.#left -= spent;
    return spent;
  }

  /** A search has led to a client: it was no stranger's. */
  giveBack(spent: number): void {
    this.#left += spent;
    this.#refill();
  }

  #refill(): void {
    const now = this.#clock.now();
    this.#left = Math.min(MOST_AT_ONCE_MS, this.#left + (now - this.#at) * SHARE);
    this.#at = now;
  }

  #remove(group: string, members: Set<() => void>, run: () => void): void {
    members.delete(run);
    if (members.size === 0 && this.#waiting.get(group) === members) this.#waiting.delete(group);
  }

  #wakeLater(): void {
    this.#timer ??= this.#clock.after(Math.max(1, -this.#left / SHARE), this.#wake);
  }

  readonly #wake = (): void => {
    this.#timer = null;
    this.#refill();
    if (this.#left > 0) this.#wakeNext();
    if (this.#waiting.size > 0) this.#wakeLater();
  };

  #wakeNext(): void {
    for (const [group, members] of this.#waiting) {
      this.#waiting.delete(group);
      for (const run of members) {
        members.delete(run);
        if (members.size > 0) this.#waiting.set(group, members); // behind all others
        return run();
      }
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#waiting.clear();
  }
}

/** The turns of one connection, each of which is good for one search. */
export class StrangerTurn implements Disposable {
  readonly #budget: StrangerBudget;
  readonly #group: string;
  #coming: Promise<void> | null = null;
  #waiting: Disposable | null = null;
  #isHere = false;
  /** Milliseconds that its searches were charged. */
  #spent = 0;

  constructor(budget: StrangerBudget, group: string) {
    this.#budget = budget;
    this.#group = group;
  }

  /** Returns false if the search has to wait for `coming`, and has not been run. */
  run(search: () => void): boolean {
    if (!this.#mayRun()) return false;
    this.#isHere = false;
    this.#spent += this.#budget.run(search);
    return true;
  }

  #mayRun(): boolean {
    if (this.#isHere) return true;
    if (this.#coming !== null) return false;
    if (this.#budget.mayBegin()) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#coming = promise;
    this.#waiting = this.#budget.wait(this.#group, () => {
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

  /** The connection is a client's: its searches cost strangers nothing. */
  giveBack(): void {
    this.#budget.giveBack(this.#spent);
    this.#spent = 0;
  }

  /** The search is over, or nobody waits for it any more. */
  [Symbol.dispose](): void {
    this.#waiting?.[Symbol.dispose]();
  }
}
