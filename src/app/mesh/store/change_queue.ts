import { onAbort } from "../../../base/scope.ts";
import type { WatchedChange } from "../../../contract/mesh_store.ts";

/** Changes that wait for a slow watcher; beyond these it has to list again. */
const MAX_WAITING = 10_000;

/** Changes on their way from callbacks to one watcher. */
export class ChangeQueue {
  #waiting: WatchedChange[] = [];
  #wake: (() => void) | null = null;

  push(change: WatchedChange): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting = [{ kind: "reset" }];
    else this.#waiting.push(change);
    this.#wake?.();
  }

  /** Changes as they come, until the signal aborts. @throws its reason */
  async *read(signal: AbortSignal): AsyncIterable<WatchedChange> {
    for (;;) {
      signal.throwIfAborted();
      const changes = this.#waiting;
      this.#waiting = [];
      for (const change of changes) yield change;
      if (this.#waiting.length > 0) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _aborted = onAbort(signal, () => resolve());
      await promise;
      this.#wake = null;
    }
  }
}
