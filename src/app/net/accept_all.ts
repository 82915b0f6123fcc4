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
}

/**
 * Serves what all listeners accept, as tasks of the scope. All of these end with the one connection
 * of a listener that gives no other.
 */
export function acceptAll(tasks: Scope, o: AcceptAllOptions): void {
  const { listeners, serve, ...rest } = o;
  for (const listener of listeners) {
    const take = (stream: Connection) =>
      tasks.spawn(async () => {
        await serve(stream, listener);
        if (listener.isSingle === true) tasks.cancel();
      });
    const { signal } = tasks;
    tasks.spawn(() => acceptLoop({ ...rest, listener, signal, take, budget: ACCEPTED_A_TURN }));
  }
}
