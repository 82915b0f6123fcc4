import type { HostPort } from "../../base/addr.ts";
import { abortable } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { WarmUp } from "../loop/warm_up.ts";
import type { WarmUpPace } from "../loop/warm_up_pace.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { runProxyClient } from "./proxy_client.ts";
import type { ProxyClientOptions, ProxyServerOptions } from "./proxy_options.ts";
import { serveProxy } from "./proxy_server.ts";
import { serveWeb, WEB, WebProgram } from "./web_exchange.ts";

export const SHORT_CYCLES = 6;
const SHORT_PROGRAMS = 24;
/** More than the time allows. */
const LONG_PROGRAMS = 10_000;

/** Programs at a time. */
const CONCURRENT = 4;

/** Where the proxy listens for programs: outside of those that the server's minutes may have. */
const PROGRAMS: HostPort = { host: "127.0.0.1", port: 1080 };

/** Connections inside the process. */
export interface WarmUpNet extends Dialer {
  /** Opens a listener that lives under the signal. */
  listen(at: HostPort, o: { signal: AbortSignal }): Listener;
}

export interface ProxyWarmUpOptions {
  readonly clock: Clock;
  /** Goes nowhere. */
  readonly log: Logger;
  readonly net: WarmUpNet;
  /** Options as the program makes them, over `net`, with keys of their own and without a log. */
  readonly client: (listener: Listener, signal: AbortSignal, cycle: number) => ProxyClientOptions;
  readonly server: (signal: AbortSignal) => ProxyServerOptions;
  /** Tells if a real connection has come since the last call, or is open. */
  readonly isBusy: () => boolean;
}

/** Returns a warm-up of both ends of the proxy, with programs and a web server of its own. */
export function proxyWarmUp(o: ProxyWarmUpOptions): WarmUp {
  const { clock, net, client, server } = o;
  return new WarmUp({
    ...o,
    shortCycles: SHORT_CYCLES,
    cycle: async ({ isShort, number, pace }, tasks) => {
      const web = net.listen(WEB, tasks);
      const listener = net.listen(PROGRAMS, tasks);
      let served = 0;
      const take = (stream: Connection) => serveWeb(stream, served++);
      tasks.spawn((signal) =>
        acceptLoop({ ...o, listener: web, signal, take, evictIdle: () => false })
      );
      tasks.spawn((signal) => serveProxy(server(signal)));
      tasks.spawn((signal) => runProxyClient(client(listener, signal, number)));
      await clock.turn(); // the server opens its ports
      const count = (isShort ? SHORT_PROGRAMS : LONG_PROGRAMS) / CONCURRENT;
      const programs = Array.from(
        { length: CONCURRENT },
        (_, first) => runPrograms(net, { first, count, pace, signal: tasks.signal }),
      );
      await abortable(Promise.all(programs), tasks.signal);
    },
  });
}

/** One program after the other; every CONCURRENT'th from `first` on. */
function runPrograms(
  net: WarmUpNet,
  { first, count, pace, signal }: {
    readonly first: number;
    readonly count: number;
    readonly pace: WarmUpPace;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let done = 0;
  const begin = (): void => {
    if (done >= count || pace.isOver || signal.aborted) return resolve();
    const number = first + CONCURRENT * done++;
    net.start(PROGRAMS, { signal }, {
      connected: (stream) => new WebProgram(stream, number, () => pace.next(begin)).go(),
      failed: () => resolve(),
    });
  };
  begin();
  return promise;
}
