import { type Scope, scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { WarmUpPace } from "./warm_up_pace.ts";

/** Milliseconds of the thread in all, and of these before real work is reckoned with. */
const BUDGET_MS = 900;
const EAGER_MS = 300;

/** Milliseconds after which it ends in any case: real work has kept it waiting, or something got lost. */
const LIMIT_MS = 20_000;

/**
 * Both ends from their start to their end. A short cycle is a few rounds long, the other one lasts
 * until `pace.isOver`. What it spawns ends with it.
 */
export type WarmUpCycle = (
  o: { readonly number: number; readonly isShort: boolean; readonly pace: WarmUpPace },
  tasks: Scope,
) => Promise<void>;

export interface WarmUpOptions {
  readonly clock: Clock;
  /** Short cycles before the long one. */
  readonly shortCycles: number;
  readonly cycle: WarmUpCycle;
  /** Tells if real work has been done since the last call, or is being done. */
  readonly isBusy: () => boolean;
}

/**
 * Runs code until V8 has optimized it. Short cycles come first: code that was optimized before it has
 * seen a close and a second object of a class is thrown away at the first of them.
 */
export class WarmUp {
  readonly #o: WarmUpOptions;
  readonly #pace: WarmUpPace;

  constructor(o: WarmUpOptions) {
    this.#o = o;
    const { clock, isBusy } = o;
    this.#pace = new WarmUpPace({ clock, isBusy, budgetMs: BUDGET_MS, eagerMs: EAGER_MS });
  }

  /** Real work may come from now on: there are pauses between the slices of the warm-up. */
  giveWay(): void {
    this.#pace.giveWay();
  }

  /** @throws what a cycle throws; the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    using _pace = this.#pace;
    await scope(signal, async (tasks) => {
      using _limit = this.#o.clock.after(LIMIT_MS, () => tasks.cancel());
      const { shortCycles } = this.#o;
      for (let number = 0; number < shortCycles && !this.#pace.isOver; number++) {
        await this.#run(number, true, tasks.signal);
      }
      await this.#run(shortCycles, false, tasks.signal);
    });
  }

  #run(number: number, isShort: boolean, signal: AbortSignal): Promise<void> {
    return scope(signal, async (tasks) => {
      await this.#o.cycle({ number, isShort, pace: this.#pace }, tasks);
      tasks.cancel();
    });
  }
}
