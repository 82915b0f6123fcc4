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
  /** Milliseconds at the beginning without pauses, unless real work may come. */
  readonly eagerMs: number;
  /** Tells if real work has been done since the last call, or is being done. */
  readonly isBusy: () => boolean;
}

/** Shares a thread between a warm-up and real work, which comes first. */
export class WarmUpPace {
  readonly #o: PaceOptions;
  #spent = 0;
  #givesWay = false;
  #owesPause = false;
  #sliceBegan: number;
  #pause: Disposable | null = null;
  /** Called when the pause is over. */
  #waiting: (() => void)[] = [];

  constructor(o: PaceOptions) {
    this.#o = o;
    this.#sliceBegan = o.clock.now();
  }

  /** True once the budget is spent. */
  get isOver(): boolean {
    return this.#spent >= this.#o.budgetMs;
  }

  /** Real work may come from now on; the first call counts. */
  giveWay(): void {
    this.#owesPause ||= !this.#givesWay;
    this.#givesWay = true;
  }

  /** Calls `run` when the warm-up may go on: at once, or after a pause. */
  next(run: () => void): void {
    if (this.#pause !== null) return void this.#waiting.push(run);
    const { clock, eagerMs } = this.#o;
    const now = clock.now();
    const ms = now - this.#sliceBegan;
    const isBusy = this.#o.isBusy();
    if (ms < SLICE_MS && !isBusy && !this.#owesPause) return run();
    this.#spent += ms;
    this.#sliceBegan = now;
    if (!this.#givesWay && !isBusy && this.#spent < eagerMs) return run();
    this.#waiting.push(run);
    this.#wait(this.#owesPause ? FIRST_PAUSE_MS : isBusy ? BUSY_PAUSE_MS : PAUSE_MS);
    this.#owesPause = false;
  }

  #wait(ms: number): void {
    this.#pause = this.#o.clock.after(ms, this.#resume);
  }

  readonly #resume = (): void => {
    if (this.#o.isBusy()) return this.#wait(BUSY_PAUSE_MS);
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
