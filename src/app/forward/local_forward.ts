import type { Scope } from "../../base/scope.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Listener } from "../../contract/dial.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { ForwardedConnection, type ForwardHost } from "./forwarded_connection.ts";

/**
 * Connects each connection that the listener accepts with the target. Connections are tasks of the
 * scope. Runs until it throws: the scope's reason or any other error of the listener.
 */
export function runLocalForward(
  host: ForwardHost,
  o: { listener: Listener; to: ForwardTarget; tasks: Scope },
): Promise<never> {
  const { listener, to, tasks } = o;
  return acceptLoop({
    listener,
    clock: host.relays.options.clock,
    log: host.log,
    signal: tasks.signal,
    take: (stream) => {
      tasks.enter();
      const from = { stream, from: stream.remote };
      return new ForwardedConnection(host, from, to, tasks.leave).begin();
    },
    evictIdle: () => false, // each connection carries something
  });
}
