import { toTtunError } from "../../base/errors.ts";
import { holdListener, onAbort, scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { dialMakingRoom } from "../net/retry_exhausted.ts";
import { PendingConnections } from "../net/pending_connections.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { directOutbound } from "../net/direct_outbound.ts";
import { LoginLimit } from "../proxy/login_limit.ts";
import type { ProxyClientOptions } from "./proxy_options.ts";
import {
  InboundConnection,
  type InboundHost,
  PROGRAM_REQUEST_MS,
} from "../proxy/inbound_connection.ts";
import { Quota } from "../net/connection_quota.ts";
import { Relays } from "../net/relay.ts";
import { ScratchBuffers } from "../net/scratch.ts";
import { CachingResolver } from "../net/caching_resolver.ts";
import { openOutbound, type ServerOutbound, STREAM_CHUNK } from "./proxy_transport.ts";

export async function runProxyClient(o: ProxyClientOptions): Promise<void> {
  using stack = new DisposableStack();
  const cut = new AbortController();
  using _registration = onAbort(o.signal, (reason) => cut.abort(reason)); // registered before the tasks of the scope
  using _hold = holdListener(cut.signal);
  await scope(o.signal, (tasks) => {
    const relays = stack.use(
      new Relays({ ...o, ...o.limits, scratch: new ScratchBuffers(STREAM_CHUNK), cut: cut.signal }),
    );
    const client = stack.use(
      new ProxyClient({ ...o, signal: tasks.signal }, relays),
    );
    if (o.checksServer) tasks.spawn(() => client.check());
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => {
          tasks.enter();
          return client.serve(stream, tasks.leave);
        },
        evictIdle: () => client.evictIdle(),
      })
    );
  });
}

class ProxyClient implements Disposable {
  readonly #o: ProxyClientOptions;
  readonly #pending = new PendingConnections();
  readonly #tunnel: ServerOutbound;
  readonly #programs: InboundHost;

  constructor(o: ProxyClientOptions, relays: Relays) {
    this.#o = o;
    const { scratch } = relays.options;
    const dialer = dialMakingRoom(o.dialer, () => this.evictIdle());
    const here = directOutbound({ ...o, dialer, connectMs: o.limits.connectMs, rules: null });
    const resolver = new CachingResolver(o.resolver, o);
    const tunnel = openOutbound({ ...o, dialer, resolver, scratch });
    this.#tunnel = tunnel;
    const quota = new Quota(o.limits);
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: this.#pending.size,
    }));
    this.#programs = {
      ...o,
      pending: this.#pending,
      quota,
      said: new RateLimitedLog(o.log, () => o.clock.now()),
      logins: o.auth === null ? null : new LoginLimit(() => o.clock.now()),
      inbound: {
        relays,
        auth: o.auth,
        signal: o.signal,
        requestMs: PROGRAM_REQUEST_MS,
        outbound: {
          open: (target, how, events) =>
            (o.direct.matches(target.host) ? here : tunnel).open(target, how, events),
        },
        ...(o.isEager && { isEager: (target) => !o.direct.matches(target.host) }),
      },
    };
  }

  /** Only logs the result: each connection tries again. */
  async check(): Promise<void> {
    const { log, server, signal } = this.#o;
    try {
      const ms = await this.#tunnel.check();
      log.info("the server answers, and has the same key", { server, ms: Math.round(ms) });
    } catch (error) {
      if (signal.aborted) return;
      const why = toTtunError(error).message;
      log.warn("no way to the server yet; each connection tries again", { server, why });
    }
  }

  /** Closes a connection, idle ones first; returns false if there is none. */
  evictIdle(): boolean {
    return this.#tunnel.dropIdle() || this.#pending.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#tunnel[Symbol.dispose]();
  }

  /** Owns the stream; calls `onOver` at its end. Returns true as OnReady does. */
  serve(stream: Connection, onOver: () => void): boolean {
    return new InboundConnection(this.#programs, stream, onOver).begin();
  }
}
