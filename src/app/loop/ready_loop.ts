import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";

/** There was nothing to do now. */
export const WOULD_BLOCK = -1;
/** That was the last step. */
export const DONE = -2;

/**
 * Makes one step after the other. A step says how much it has done, or `NOTHING`, or `END`; or it
 * gives a promise of that. It is called back when there is something again: where nothing has to be
 * waited for, all goes on without a promise.
 */
export abstract class ReadyLoop {
  readonly #clock: Clock;
  readonly #budget: number;
  /** What was done since the last wait. */
  #spent = 0;

  /** `budget`: after so much without a wait the others have a turn: one flood must not starve them. */
  constructor(clock: Clock, budget: number) {
    this.#clock = clock;
    this.#budget = budget;
  }

  protected abstract step(): MaybePromise<number>;
  /** Calls `run` back when there may be something again. */
  protected abstract onReady(run: OnReady): void;
  /** One of the two is called, once. The first returns as `OnReady`. */
  protected abstract ended(): boolean | void;
  protected abstract failed(error: unknown): void;

  /** Goes as far as it can. True when it waits to be called back, and for nothing else. */
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
      this.onReady(this.go);
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }
}

export interface GoOnOptions {
  readonly clock: Clock;
  /** As of `Going`. */
  readonly budget: number;
  /** Calls back when there may be something again. */
  readonly onReady: (run: OnReady) => void;
}

/** The same where a step is all that there is to say. */
export function runLoop<T extends void>(
  o: GoOnOptions,
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
    o: GoOnOptions,
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
