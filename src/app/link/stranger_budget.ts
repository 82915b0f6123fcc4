import type { Clock } from "../../contract/host.ts";

/** Part of a core's time that strangers may cost, and milliseconds that they may cost at once. */
const SHARE = 0.05;
const MOST_AT_ONCE_MS = 25;

/** Limits the time that hellos cost which are right for no key: others wait for their turn. */
export class StrangerBudget implements Disposable {
  readonly #clock: Clock;
  /** Milliseconds that may be spent, at a time of the clock; negative = somebody has overdrawn it. */
  #left = MOST_AT_ONCE_MS;
  #at: number;
  /** Called in their order; each is told once. */
  readonly #waiting = new Set<() => void>();
  #timer: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
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

  /** Counts the milliseconds of a search that was in vain. */
  charge(ms: number): void {
    this.#refill();
    this.#left -= ms;
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
