import type { Clock } from "../../contract/host.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { sleep } from "../loop/sleep.ts";

/** Milliseconds that bytes may be ahead of their time, so that a wait is worth it. */
const AHEAD_MS = 20;

/** Milliseconds that are made up for, as timers are late on a machine with much to do. */
const LATE_MS = 100;

/** Has bytes wait so that no more than so many go in a second. */
export class Pace {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #bytesPerSecond: number;
  /** When the bytes so far have had their time. */
  #due = 0;

  constructor(bytesPerSecond: number, { clock, signal }: { clock: Clock; signal: AbortSignal }) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Waits until so many more may go. @throws the signal's reason */
  readonly wait = (bytes: number): MaybePromise<void> => {
    const now = this.#clock.now();
    const ms = this.#due - now;
    this.#due = Math.max(now - LATE_MS, this.#due) + bytes * 1000 / this.#bytesPerSecond;
    if (ms > AHEAD_MS) return sleep(this.#clock, ms, this.#signal);
  };
}
