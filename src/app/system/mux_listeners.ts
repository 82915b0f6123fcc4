import type { Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { WireSecrets } from "../link/config.ts";
import type { MuxServer } from "../mux/mux_server.ts";
import { acceptAll } from "../net/accept_all.ts";
import type { RelayScope } from "../net/relay_scope.ts";
import { Tuner } from "../net/socket_options.ts";
import { type HopListening, serveHops } from "./hop_listening.ts";

/** Where a server of streams listens. */
export interface MuxListeners {
  readonly listeners: readonly Listener[];
  /** Absent = it listens on no ports that hop. */
  readonly hops?: HopListening;
  readonly secrets: Pick<WireSecrets, "wallClock">;
  /** Undefined = the system's. */
  readonly congestion?: CongestionChoice | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** The signal whose abort closes the listeners. */
  readonly signal: AbortSignal;
}

/** Has the server serve what all listeners accept, as tasks of the scope. */
export function serveListeners(
  server: MuxServer,
  o: MuxListeners,
  { tasks, stack }: Pick<RelayScope, "tasks" | "stack">,
): void {
  const { clock, log, listeners, hops, secrets: { wallClock } } = o;
  const tuner = new Tuner(log, o.congestion);
  const serving = {
    clock,
    log,
    serve: (stream: Connection) => {
      tuner.tune(stream);
      return server.serve(stream);
    },
    evictIdle: () => server.evictIdle(),
  };
  acceptAll(tasks, { ...serving, listeners, signal: o.signal });
  if (hops === undefined) return;
  serveHops(tasks, stack, hops, {
    ...serving,
    wallClock,
    move: (stream, seconds) => server.sessions.move(stream, seconds),
  });
}
