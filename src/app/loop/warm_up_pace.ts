import type { Clock } from "../../contract/host.ts";

/** Milliseconds of synthetic work in a row; whatever else is ready comes in between as well. */
const SLICE_MS = 5;

/** Milliseconds between two slices, and after a slice in which real work came. */
const PAUSE_MS = 5;
const BUSY_PAUSE_MS = 50;

export interface PaceOptions {
  readonly clock: Clock;
  /** Milliseconds of the thread in all. */
  readonly budgetMs: number;
  /** Milliseconds at the beginning without pauses, unless `calm` is called. */
  readonly eagerMs: number;
  /** Changes whenever real work is done. */
  readonly activity: () => number;
}

/** Shares a thread between a warm-up and real work, which comes first. */
export class WarmUpPace {
  readonly #o: PaceOptions;
  #spent = 0;
  #isEager = true;
  #sliceBegan: number;
  #seen: number;
  #pause: Disposable | null = null;
  /** Called when the pause is over. */
  #waiting: (() => void)[] = [];

  constructor(o: PaceOptions) {
    this.#o = o;
    this.#sliceBegan = o.clock.now();
    this.#seen = o.activity();
  }

  /** True once the budget is spent. */
  get isOver(): boolean {
    return this.#spent >= this.#o.budgetMs;
  }

  /** Real work may come from now on. */
  calm(): void {
    this.#isEager = false;
  }

  /** Calls `run` when the warm-up may go on: at once, or after a pause. */
  next(run: () => void): void {
    if (this.#pause !== null) return void this.#waiting.push(run);
    const { clock, eagerMs, activity } = this.#o;
    const now = clock.now();
    const ms = now - this.#sliceBegan;
    if (ms < SLICE_MS) return run();
    this.#spent += ms;
    this.#sliceBegan = now;
    if (this.#isEager && this.#spent < eagerMs) return run();
    const seen = activity();
    const pause = seen === this.#seen ? PAUSE_MS : BUSY_PAUSE_MS;
    this.#seen = seen;
    this.#waiting.push(run);
    this.#pause = clock.after(pause, this.#resume);
  }

  readonly #resume = (): void => {
    this.#pause = null;
    this.#sliceBegan = this.#o.clock.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  };

  /** Forgets what waits for the end of a pause. */
  [Symbol.dispose](): void {
    this.#pause?.[Symbol.dispose]();
  }
}
