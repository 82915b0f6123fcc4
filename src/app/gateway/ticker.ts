import type { Clock } from "../../contract/host.ts";

/** Milliseconds between looks. */
const TICK_MS = 50;

/** One timer for all that look now and then whether something is late. */
export class Ticker {
  readonly #clock: Clock;
  readonly #looks = new Set<() => void>();
  #isTicking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `look` again and again, until it is disposed of. */
  add(look: () => void): Disposable {
    this.#looks.add(look);
    if (!this.#isTicking) this.#tick();
    return { [Symbol.dispose]: () => this.#looks.delete(look) };
  }

  #tick(): void {
    this.#isTicking = true;
    this.#clock.after(TICK_MS, () => {
      for (const look of [...this.#looks]) {
        if (this.#looks.has(look)) look();
      }
      this.#isTicking = false;
      if (this.#looks.size > 0) this.#tick();
    });
  }
}
