import type { Logger } from "../../base/log.ts";
import type { Usr1 } from "../platform/debugger.ts";

/** Milliseconds between checks for SIGUSR1, since nothing wakes ttun when it arrives. */
const INTERVAL = 1000;

/** SIGUSR2 asks for counters as with OpenVPN. Without a handler both signals would end ttun. */
export class StatusSignals implements Disposable {
  readonly #listeners = new Set<() => void>();
  readonly #undo = new DisposableStack();

  constructor(usr1: Usr1 | null, log: Logger) {
    if (Deno.build.os === "windows") return;
    let last = -Infinity;
    const tell = () => {
      // Limits SIGUSR2 like SIGUSR1: senders of signals must not fill the log.
      const now = performance.now();
      if (now - last < INTERVAL / 2) return;
      last = now;
      for (const listener of this.#listeners) listener();
    };
    Deno.addSignalListener("SIGUSR2", tell);
    this.#undo.defer(() => Deno.removeSignalListener("SIGUSR2", tell));
    if (usr1 === null) return;
    const timer = setInterval(() => {
      const state = usr1.check();
      if (state === "came") tell();
      if (state === "stolen") log.warn("SIGUSR1 had been taken by the runtime and is taken back");
    }, INTERVAL);
    this.#undo.defer(() => clearInterval(timer));
  }

  on(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }
}
