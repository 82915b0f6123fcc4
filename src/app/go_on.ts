import type { Clock } from "../contract/host.ts";
import type { Now, OnReady } from "../contract/stream.ts";

/** There was nothing to do now. */
export const NOTHING = -1;
/** That was the last step. */
export const END = -2;

/**
 * Makes one step after the other. A step says how much it has done, or `NOTHING`, or `END`; or it
 * gives a promise of that. It is called back when there is something again: where nothing has to be
 * waited for, all goes on without a promise.
 */
export function goOn<T extends void>(o: GoOnOptions, step: () => Now<number>): Promise<T> {
  return new Promise((resolve, reject) => {
    goOnUntil(o, step, () => resolve(undefined as T), reject);
  });
}

export interface GoOnOptions {
  readonly clock: Clock;
  /** After so much without a wait the others have a turn: one flood must not starve the rest. */
  readonly budget: number;
  /** Calls back when there may be something again. */
  readonly onReady: (run: OnReady) => void;
}

/** The same without a promise: calls `onEnd` or `onFailure` once. */
export function goOnUntil(
  { clock, budget, onReady }: GoOnOptions,
  step: () => Now<number>,
  onEnd: () => void,
  onFailure: (error: unknown) => void,
): void {
  let spent = 0;
  const moved = (count: number) => {
    if (count === END) return onEnd();
    if (count === NOTHING) return void wait();
    spent += count;
    go();
  };
  const wait = (): boolean => {
    spent = 0;
    try {
      onReady(go);
      return true;
    } catch (error) {
      onFailure(error);
      return false;
    }
  };
  /** True when it waits to be called back, and for nothing else. */
  const go = (): boolean => {
    try {
      for (;;) {
        if (spent >= budget) {
          spent = 0;
          clock.onTurn(go);
          return true;
        }
        const count = step();
        if (count instanceof Promise) {
          count.then(moved, onFailure);
          return false;
        }
        if (count === END) break;
        if (count === NOTHING) return wait();
        spent += count;
      }
    } catch (error) {
      onFailure(error);
      return false;
    }
    onEnd();
    return false;
  };
  go();
}
