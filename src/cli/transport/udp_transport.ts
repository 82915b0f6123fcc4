import { UdpConnection } from "../../app/link/udp_connection.ts";
import { type HostPort, requireHostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Datagrams } from "../../contract/datagrams.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import { openBatchedDatagrams, prepareDatagrams } from "../../io/net/batched_datagrams.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { Transport, WayTools } from "../../io/transport.ts";

/** `udp://HOST:PORT`: packets of a device in datagrams (docs/wire/udp.md). */
export const UDP_TRANSPORT: Transport = {
  way: {
    dialer: (_at, tools) => new UdpDialer(tools),
    listener: (at, tools) =>
      new UdpListener(open({ host: at.host, port: at.port }, reactorOf(tools), tools)),
  },
};

/** @throws {TtunError} system, without native sockets */
function reactorOf({ reactor }: WayTools): Reactor {
  if (reactor !== null) return reactor;
  throw new TtunError(
    "system",
    "Cannot use udp: URLs here: they take native sockets, which are there on Linux only so far " +
      "(and not with --io deno)",
  );
}

/** Its owner closes the socket, so that the other end is told before. */
function open(at: HostPort, reactor: Reactor, { mark, log }: WayTools): Datagrams {
  const { signal } = new AbortController();
  const onDegraded = (words: string) => log.warn(`UDP: ${words}`);
  return openBatchedDatagrams(reactor, at, { signal, mark, onDegraded });
}

/** A socket for each attempt; nothing is sent yet. */
class UdpDialer implements Dialer {
  readonly #reactor: Reactor;
  readonly #tools: WayTools;

  constructor(tools: WayTools) {
    this.#reactor = reactorOf(tools);
    this.#tools = tools;
    prepareDatagrams(this.#reactor); // there may be no permission for it later
  }

  start: Dialer["start"] = (to, { signal }, events) => {
    try {
      signal.throwIfAborted();
      const { host, port } = requireHostPort(to);
      const any = host.includes(":") ? "::" : "0.0.0.0";
      const datagrams = open({ host: any, port: 0 }, this.#reactor, this.#tools);
      const connection = new UdpConnection({ host, port }, datagrams);
      connection.ends.use(onAbort(signal, () => connection.reset()));
      return events.connected(connection);
    } catch (error) {
      return events.failed(error);
    }
  };
}

class UdpListener implements Listener {
  readonly addr: HostPort;
  readonly datagrams: Datagrams;

  constructor(datagrams: Datagrams) {
    this.datagrams = datagrams;
    this.addr = datagrams.addr;
  }

  acceptNow(): null {
    return null;
  }

  onAcceptable(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    this.datagrams[Symbol.dispose]();
    return Promise.resolve();
  }
}
