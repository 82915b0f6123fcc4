import type { HostPort } from "../../base/addr.ts";
import { abortable, scope } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { WarmUpPace } from "../loop/warm_up_pace.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { runProxyClient } from "./proxy_client.ts";
import type { ProxyClientOptions, ProxyServerOptions } from "./proxy_options.ts";
import { serveProxy } from "./proxy_server.ts";
import { serveWeb, WEB, WebProgram } from "./web_exchange.ts";

/** Short lives before the long one, as with the tunnel (tun_warm_up.ts), and their connections. */
const SHORT_LIVES = 6;
const SHORT_PROGRAMS = 24;
/** More than the time allows. */
const LONG_PROGRAMS = 10_000;

/** Programs at a time. */
const LANES = 4;

/** Milliseconds of the thread in all, and of these before real connections are reckoned with. */
const BUDGET_MS = 900;
const EAGER_MS = 300;

/** Milliseconds of a life; far more than it takes, unless a connection hangs. */
const STUCK_MS = 20_000;

/** Where the proxy listens for programs: outside of those that the server's minutes may have. */
const PROGRAMS: HostPort = { host: "127.0.0.1", port: 1080 };

/** Connections inside the process. */
export interface WarmUpNet extends Dialer {
  listen(at: HostPort, o: { signal: AbortSignal }): Listener;
}

export interface ProxyWarmUpOptions {
  readonly clock: Clock;
  /** Goes nowhere. */
  readonly log: Logger;
  readonly net: WarmUpNet;
  /** Options as the program makes them, over `net`, with keys of their own and without a log. */
  readonly client: (listener: Listener, signal: AbortSignal) => ProxyClientOptions;
  readonly server: (signal: AbortSignal) => ProxyServerOptions;
  /** Changes whenever a real connection comes. */
  readonly activity: () => number;
}

/** Runs both ends, programs and a web server on each other, so that V8 has optimized their code. */
export class ProxyWarmUp {
  readonly #o: ProxyWarmUpOptions;
  readonly #pace: WarmUpPace;

  constructor(o: ProxyWarmUpOptions) {
    this.#o = o;
    const { clock, activity } = o;
    this.#pace = new WarmUpPace({ clock, activity, budgetMs: BUDGET_MS, eagerMs: EAGER_MS });
  }

  /** Real connections may come from now on: the warm-up pauses between its slices. */
  calm(): void {
    this.#pace.calm();
  }

  /** @throws {NativeError} if sockets cannot be opened; the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    using _pace = this.#pace;
    for (let i = 0; i < SHORT_LIVES && !this.#pace.isOver; i++) {
      await this.#live(SHORT_PROGRAMS, signal);
    }
    await this.#live(LONG_PROGRAMS, signal);
  }

  async #live(programs: number, signal: AbortSignal): Promise<void> {
    const { clock, net, client, server } = this.#o;
    await scope(signal, async (tasks) => {
      using _stuck = clock.after(STUCK_MS, () => tasks.cancel());
      await using owned = new AsyncDisposableStack();
      const web = owned.use(net.listen(WEB, tasks));
      const listener = owned.use(net.listen(PROGRAMS, tasks));
      let served = 0;
      const take = (stream: Connection) => serveWeb(stream, served++);
      tasks.spawn((signal) =>
        acceptLoop({ ...this.#o, listener: web, signal, take, evictIdle: () => false })
      );
      tasks.spawn((signal) => serveProxy(server(signal)));
      tasks.spawn((signal) => runProxyClient(client(listener, signal)));
      await clock.turn(); // the server opens its ports
      const lanes = Array.from(
        { length: LANES },
        (_, lane) => this.#runPrograms(lane, programs / LANES, tasks.signal),
      );
      await abortable(Promise.all(lanes), tasks.signal);
      tasks.cancel();
    });
  }

  /** One program after the other. */
  #runPrograms(lane: number, count: number, signal: AbortSignal): Promise<void> {
    const { net } = this.#o;
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = 0;
    const begin = (): void => {
      if (done >= count || this.#pace.isOver || signal.aborted) return resolve();
      const number = lane + LANES * done++;
      net.start(PROGRAMS, { signal }, {
        connected: (stream) => new WebProgram(stream, number, () => this.#pace.next(begin)).go(),
        failed: () => resolve(),
      });
    };
    begin();
    return promise;
  }
}
