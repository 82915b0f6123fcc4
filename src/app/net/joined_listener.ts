import type { Addr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";

/** Several listeners as one, whose address is the first's. It owns them. */
export class JoinedListener implements Listener {
  readonly addr: Addr;
  readonly #all: readonly Listener[];
  #waiter: OnReady | null = null;
  /** Listeners that know of a waiter. */
  readonly #asked = new Set<Listener>();

  constructor(all: readonly Listener[]) {
    this.addr = all[0]!.addr;
    this.#all = all;
  }

  acceptNow(o: { signal: AbortSignal }): Connection | null {
    for (const one of this.#all) {
      const stream = one.acceptNow(o);
      if (stream !== null) return stream;
    }
    return null;
  }

  onAcceptable(run: OnReady): void {
    this.#waiter = run;
    for (const one of this.#all) {
      if (this.#asked.has(one)) continue;
      this.#asked.add(one);
      one.onAcceptable(() => {
        this.#asked.delete(one);
        const waiter = this.#waiter;
        this.#waiter = null;
        return waiter?.();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((one) => one[Symbol.asyncDispose]()));
  }
}
