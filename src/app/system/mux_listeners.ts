import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import type { PortList } from "../../core/status/port_list.ts";
import { HopServer } from "../hop/hop_server.ts";
import type { WireSecrets } from "../link/config.ts";
import type { MuxServer } from "../mux/mux_server.ts";
import { acceptAll } from "../net/accept_all.ts";
import type { RelayScope } from "../net/relay_scope.ts";
import { Tuner } from "../net/socket_options.ts";

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

/** Hosts on whose minute ports a server listens. */
export interface HopListening {
  readonly ends: readonly KeyedHopAddress[];
  /** Opens one of the ports. */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
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
  for (const { host, range, key } of hops.ends) {
    const hop = new HopServer(tasks, {
      ...serving,
      host,
      ports: stack.use(new MinutePorts(key, range)),
      listen: hops.listen,
      portList: hops.portList,
      wallClock,
      move: (stream, seconds) => server.sessions.move(stream, seconds),
    });
    tasks.spawn(() => hop.run());
  }
}
