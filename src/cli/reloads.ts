import { toTtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

/** Reads something again that a running program was told by a file. */
export type Reload = () => void | Promise<void>;

/** Parts of the program that SIGHUP asks to read their files again. */
export class Reloads {
  readonly #all = new Set<Reload>();
  #last: Promise<void> = Promise.resolve();

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  on(reload: Reload): Disposable {
    this.#all.add(reload);
    return { [Symbol.dispose]: () => void this.#all.delete(reload) };
  }

  /** Runs all, one after the other. A failure is logged: what was there before goes on. */
  run(log: Logger): Promise<void> {
    return this.#last = this.#last.then(() => this.#runAll(log));
  }

  async #runAll(log: Logger): Promise<void> {
    let failed = 0;
    for (const reload of [...this.#all]) {
      try {
        await reload();
      } catch (thrown) {
        const error = toTtunError(thrown);
        log.error(`Cannot reload: ${error.message}`, { kind: error.kind });
        failed++;
      }
    }
    if (failed === 0) log.info("reloaded", { parts: this.#all.size });
  }
}
