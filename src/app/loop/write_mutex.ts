import type { MaybePromise } from "../../contract/stream.ts";

/**
 * Lets one writer through at a time, in the order of coming. As long as nothing has to wait,
 * nothing is a promise. After a failure everybody gets that failure: the stream is dead.
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
