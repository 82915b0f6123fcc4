import type { Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import { acceptLoop, type AcceptOptions } from "./accept_loop.ts";

/** Accepted connections before other work gets its turn: strangers may come by thousands. */
const ACCEPTED_A_TURN = 2;

export interface AcceptAllOptions extends Pick<AcceptOptions, "clock" | "log" | "evictIdle"> {
  readonly listeners: readonly Listener[];
  /** Owns the connection. Never throws. */
  readonly serve: (stream: Connection, listener: Listener) => Promise<void>;
  /** The signal whose abort closes the listeners, which may come before the scope's own end. */
  readonly signal: AbortSignal;
}

/**
 * Serves what all listeners accept, as tasks of the scope. All of these end with the one connection
 * of a listener that gives no other.
 */
export function acceptAll(tasks: Scope, o: AcceptAllOptions): void {
  const { listeners, serve, signal: life, ...rest } = o;
  for (const listener of listeners) {
    const take = (stream: Connection) =>
      tasks.spawn(async () => {
        await serve(stream, listener);
        if (listener.isSingle === true) tasks.cancel();
      });
    const { signal } = tasks;
    const accepting = { ...rest, listener, signal, take, budget: ACCEPTED_A_TURN };
    tasks.spawn(async () => {
      try {
        await acceptLoop(accepting);
      } catch (error) {
        if (!life.aborted) throw error;
      }
    });
  }
}
