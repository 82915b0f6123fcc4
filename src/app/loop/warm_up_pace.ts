import type { Clock } from "../../contract/host.ts";

/** Milliseconds of synthetic work in a row; whatever else is ready comes in between as well. */
const SLICE_MS = 3;

/** Milliseconds between two slices. */
const PAUSE_MS = 10;

/** Milliseconds without a slice from when real work may come: for the first of it, and V8's compiler. */
const FIRST_PAUSE_MS = 250;

/** Milliseconds without a slice after real work, which warms the code as well. */
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
  #isCalm = false;
  #owesPause = false;
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

  /** Real work may come from now on; the first call counts. */
  calm(): void {
    this.#owesPause ||= !this.#isCalm;
    this.#isCalm = true;
  }

  /** Calls `run` when the warm-up may go on: at once, or after a pause. */
  next(run: () => void): void {
    if (this.#pause !== null) return void this.#waiting.push(run);
    const { clock, eagerMs, activity } = this.#o;
    const now = clock.now();
    const ms = now - this.#sliceBegan;
    const seen = activity();
    const isBusy = seen !== this.#seen;
    this.#seen = seen;
    if (ms < SLICE_MS && !isBusy && !this.#owesPause) return run();
    this.#spent += ms;
    this.#sliceBegan = now;
    if (!this.#isCalm && !isBusy && this.#spent < eagerMs) return run();
    this.#waiting.push(run);
    this.#wait(this.#owesPause ? FIRST_PAUSE_MS : isBusy ? BUSY_PAUSE_MS : PAUSE_MS);
    this.#owesPause = false;
  }

  #wait(ms: number): void {
    this.#pause = this.#o.clock.after(ms, this.#resume);
  }

  readonly #resume = (): void => {
    const seen = this.#o.activity();
    if (seen !== this.#seen) {
      this.#seen = seen;
      return this.#wait(BUSY_PAUSE_MS);
    }
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
