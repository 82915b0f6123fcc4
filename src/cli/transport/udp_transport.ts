import { connectUdp } from "../../app/link/udp_client.ts";
import { UdpConnection } from "../../app/link/udp_connection.ts";
import { UdpListener } from "../../app/link/udp_listener.ts";
import { UdpServer } from "../../app/link/udp_server.ts";
import { type HostPort, requireHostPort } from "../../base/addr.ts";
import { onAbort } from "../../base/scope.ts";
import type { Datagrams } from "../../contract/datagrams.ts";
import type { Dialer } from "../../contract/dial.ts";
import { openBatchedDatagrams, prepareDatagrams } from "../../io/net/batched_datagrams.ts";
import { startNodeDatagrams } from "../../io/net/node_datagrams.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { Transport, WayTools } from "../../io/transport.ts";

/** `udp://HOST:PORT`: packets of a device in datagrams (docs/wire/udp.md). */
export const UDP_TRANSPORT: Transport = {
  way: {
    dialer: (_at, tools) => new UdpDialer(tools),
    listener: (at, tools) =>
      new UdpListener(
        open({ host: at.host, port: at.port }, nativeReactor(tools), tools),
        (o) => new UdpServer(o),
      ),
  },
};

/** Null = the runtime's own sockets, for which its loop has to run. */
function nativeReactor({ reactor }: WayTools): Reactor | null {
  return reactor?.mode === "blocking" ? reactor : null;
}

/** Its owner closes the socket, so that the other end is told before. */
function open(at: HostPort, reactor: Reactor | null, { mark, log }: WayTools): Datagrams {
  const { signal } = new AbortController();
  if (reactor === null) return startNodeDatagrams(at, { signal });
  const onDegraded = (words: string) => log.warn(`UDP: ${words}`);
  return openBatchedDatagrams(reactor, at, { signal, mark, onDegraded });
}

/** A socket for each attempt; nothing is sent yet. */
class UdpDialer implements Dialer {
  readonly #reactor: Reactor | null;
  readonly #tools: WayTools;

  constructor(tools: WayTools) {
    this.#reactor = nativeReactor(tools);
    this.#tools = tools;
    // There may be no permission for it later.
    if (this.#reactor !== null) prepareDatagrams(this.#reactor);
  }

  start: Dialer["start"] = (to, { signal }, events) => {
    try {
      signal.throwIfAborted();
      const { host, port } = requireHostPort(to);
      const any = host.includes(":") ? "::" : "0.0.0.0";
      const datagrams = open({ host: any, port: 0 }, this.#reactor, this.#tools);
      const connection = new UdpConnection({ host, port }, { datagrams, connect: connectUdp });
      connection.ends.use(onAbort(signal, () => connection.reset()));
      return events.connected(connection);
    } catch (error) {
      return events.failed(error);
    }
  };
}
