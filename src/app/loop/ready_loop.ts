import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";

/** Result of a step that found nothing to do now. */
export const WOULD_BLOCK = -1;
export const DONE = -2;

/**
 * A step returns the amount that it did (in units of `budget`), WOULD_BLOCK, DONE, or a promise of
 * one of these. After WOULD_BLOCK the loop is called back when the source may be ready, so work
 * that never waits uses no promise.
 */
export abstract class ReadyLoop {
  readonly #clock: Clock;
  readonly #budget: number;
  #spent = 0;

  /** `budget`: the amount after which other tasks get a turn, against floods. */
  constructor(clock: Clock, budget: number) {
    this.#clock = clock;
    this.#budget = budget;
  }

  protected abstract step(): MaybePromise<number>;
  /** Calls `run` when the source may be ready again. Returns as OnReady does. */
  protected abstract onReady(run: OnReady): boolean | void;
  /** Exactly one of `ended` and `failed` is called, once. */
  protected abstract ended(): boolean | void;
  protected abstract failed(error: unknown): void;

  /** Runs as far as possible. Returns as OnReady does. */
  readonly go = (): boolean => {
    try {
      for (;;) {
        if (this.#spent >= this.#budget) {
          this.#spent = 0;
          this.#clock.onTurn(this.go);
          return true;
        }
        const count = this.step();
        if (count instanceof Promise) {
          count.then((later) => this.#moved(later), (error) => this.failed(error));
          return false;
        }
        if (count === DONE) break;
        if (count === WOULD_BLOCK) return this.#wait();
        this.#spent += count;
      }
    } catch (error) {
      this.failed(error);
      return false;
    }
    return this.ended() === true;
  };

  #moved(count: number): void {
    if (count === DONE) return void this.ended();
    if (count === WOULD_BLOCK) return void this.#wait();
    this.#spent += count;
    this.go();
  }

  #wait(): boolean {
    this.#spent = 0;
    try {
      return this.onReady(this.go) !== false;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }
}

export interface LoopOptions {
  readonly clock: Clock;
  /** Amount after which other tasks get a turn, in the units of the steps. */
  readonly budget: number;
  readonly onReady: (run: OnReady) => void;
}

/** Runs `step` until it returns DONE; throws what a step throws. */
export function runLoop<T extends void>(
  o: LoopOptions,
  step: () => MaybePromise<number>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    new Steps(o, step, () => resolve(undefined as T), reject).go();
  });
}

class Steps extends ReadyLoop {
  protected readonly step: () => MaybePromise<number>;
  protected readonly onReady: (run: OnReady) => void;
  protected readonly ended: () => void;
  protected readonly failed: (error: unknown) => void;

  constructor(
    o: LoopOptions,
    step: () => MaybePromise<number>,
    ended: () => void,
    failed: (error: unknown) => void,
  ) {
    super(o.clock, o.budget);
    this.step = step;
    this.onReady = o.onReady;
    this.ended = ended;
    this.failed = failed;
  }
}
