import type { MaybePromise } from "../../contract/stream.ts";

/**
 * Runs one writer at a time, in order, without a promise while nothing waits. A failure is also
 * that of all waiting writers, since the stream is dead.
 */
export class WriteMutex {
  #busy: Promise<void> | null = null;

  get isBusy(): boolean {
    return this.#busy !== null;
  }

  pass(task: () => MaybePromise<void>): MaybePromise<void> {
    if (this.#busy !== null) return this.#after(this.#busy, task);
    const running = task();
    if (!(running instanceof Promise)) return;
    this.#busy = running;
    return this.#clearAfter(running);
  }

  async #after(earlier: Promise<void>, task: () => MaybePromise<void>): Promise<void> {
    await earlier;
    await this.pass(task);
  }

  async #clearAfter(running: Promise<void>): Promise<void> {
    await running;
    this.#busy = null;
  }
}
