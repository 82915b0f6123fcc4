import type { HostPort } from "../../base/addr.ts";
import type { Scope } from "../../base/scope.ts";
import type { Listener } from "../../contract/dial.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import type { PortList } from "../../core/status/port_list.ts";
import { HopServer, type HopServerOptions } from "../hop/hop_server.ts";

/** Hosts on whose minute ports a server listens. */
export interface HopListening {
  readonly ends: readonly KeyedHopAddress[];
  /** Opens one of the ports. */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
}

/** Serves what comes by the minutes' ports, as tasks of the scope. `stack` owns what they need. */
export function serveHops(
  tasks: Scope,
  stack: Pick<DisposableStack, "use">,
  { ends, listen, portList }: HopListening,
  o: Omit<HopServerOptions, "host" | "ports" | "listen" | "portList">,
): void {
  for (const { host, range, key } of ends) {
    const ports = stack.use(new MinutePorts(key, range));
    const hop = new HopServer(tasks, { ...o, host, ports, listen, portList });
    tasks.spawn(() => hop.run());
  }
}
