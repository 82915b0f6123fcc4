import type { Clock } from "../../../contract/host.ts";

/** Milliseconds of the longest timer: the clock that says how late it is may be set meanwhile. */
const LONGEST = 60_000;

/** Times at which keys vanish by themselves, for one watch: nobody sends word of these. */
export class Expiries implements Disposable {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #run: (key: string) => void;
  readonly #until = new Map<string, number>();
  #timer: Disposable | null = null;

  /** `now`: milliseconds since 1970, as the times are. */
  constructor(clock: Clock, now: () => number, run: (key: string) => void) {
    this.#clock = clock;
    this.#now = now;
    this.#run = run;
  }

  /** `until`: 0 for a key that stays, or is gone. */
  set(key: string, until: number): void {
    if (until === 0) this.#until.delete(key);
    else this.#until.set(key, until);
    this.#setTimer();
  }

  [Symbol.dispose](): void {
    this.#until.clear();
    this.#timer?.[Symbol.dispose]();
  }

  #setTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    let next = Infinity;
    for (const until of this.#until.values()) next = Math.min(next, until);
    if (next === Infinity) return;
    const ms = Math.min(LONGEST, Math.max(1, next - this.#now()));
    this.#timer = this.#clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    this.#timer = null;
    for (const [key, until] of this.#until) {
      if (until > this.#now()) continue;
      this.#until.delete(key);
      this.#run(key);
    }
    this.#setTimer();
  }
}
