import { onAbort } from "../../base/scope.ts";
import type { OnReady } from "../../contract/stream.ts";

/** Closes once, by a call or by the signal's abort; then `check` throws that reason. */
export class Lifetime {
  readonly #close: () => void;
  readonly #registration: Disposable;
  #over: { reason: unknown } | null = null;

  constructor(signal: AbortSignal, close: () => void) {
    this.#close = close;
    this.#registration = onAbort(signal, (reason) => this.end(reason));
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  check(): void {
    if (this.#over !== null) throw this.#over.reason;
  }

  end(reason: unknown): void {
    if (this.#over !== null) return;
    this.#over = { reason };
    this.#registration?.[Symbol.dispose](); // absent if the signal was aborted already
    this.#close();
  }
}

/** One callback that waits: it runs once, and a later one replaces it. */
export class Waiter {
  #run: OnReady | null = null;

  set(run: OnReady): void {
    this.#run = run;
  }

  readonly wake = (): void => {
    const run = this.#run;
    this.#run = null;
    run?.();
  };

  /** Wakes in a microtask, so that nothing runs within the caller. */
  wakeSoon(): void {
    queueMicrotask(this.wake);
  }
}
