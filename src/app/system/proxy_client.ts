import { toTtunError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { CachingResolver } from "../net/caching_resolver.ts";
import { Quota } from "../net/connection_quota.ts";
import { directOutbound } from "../net/direct_outbound.ts";
import type { Relays } from "../net/relay.ts";
import { relayScope } from "../net/relay_scope.ts";
import { dialMakingRoom } from "../net/retry_exhausted.ts";
import type { HostPort } from "../../base/addr.ts";
import { ownPage } from "../../core/proxy/own_pages.ts";
import type { BypassRules } from "../../core/proxy/bypass_rules.ts";
import type { UdpAssociations } from "../proxy/udp_association.ts";
import { ProxyFront } from "./proxy_front.ts";
import { openProxyLink } from "./proxy_link_client.ts";
import type { ProxyClientOptions } from "./proxy_options.ts";
import { openOutbound, type ServerOutbound, STREAM_CHUNK } from "./proxy_transport.ts";

export async function runProxyClient(o: ProxyClientOptions): Promise<void> {
  await relayScope({ ...o, chunk: STREAM_CHUNK }, ({ tasks, relays, stack }) => {
    const bound = { ...o, signal: tasks.signal };
    const client = stack.use(new ProxyClient(bound, relays, { tasks, stack }));
    if (o.checksServer && o.link === null) tasks.spawn(() => client.check());
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
  readonly #tunnel: ServerOutbound;
  readonly #front: ProxyFront;

  constructor(
    o: ProxyClientOptions,
    relays: Relays,
    life: { readonly tasks: Scope; readonly stack: DisposableStack },
  ) {
    this.#o = o;
    const { scratch } = relays.options;
    const dialer = dialMakingRoom(o.dialer, () => this.evictIdle());
    const here = directOutbound({ ...o, dialer, connectMs: o.limits.connectMs, rules: null });
    const resolver = new CachingResolver(o.resolver, o);
    const tunnel = openOutbound({ ...o, dialer, resolver, scratch });
    this.#tunnel = tunnel;
    const onTt = () => life.tasks.spawn(() => this.check());
    const link = o.link === null
      ? null
      : openProxyLink({ ...o, ...life, dialer, resolver, use: o.link, tt: tunnel, onTt });
    const { outbound: there, udp } = link ?? { outbound: tunnel };
    const quota = new Quota(o.limits);
    const { entries } = o.direct;
    const { port } = o.listener.addr as HostPort;
    this.#front = new ProxyFront({
      clock: o.clock,
      log: o.log,
      signal: o.signal,
      relays,
      quota,
      auth: o.auth,
      outbound: {
        open: (target, how, events) =>
          (o.direct.matches(target.host) ? here : there).open(target, how, events),
      },
      ownPage: (head) => ownPage(head, port, entries),
      ...(udp !== undefined && { udp: onlyThere(udp, o.direct) }),
      ...(o.isEager && { isEager: (target) => !o.direct.matches(target.host) }),
    });
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: this.#front.pending,
    }));
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
    return this.#tunnel.dropIdle() || this.#front.evictIdle();
  }

  [Symbol.dispose](): void {
    this.#tunnel[Symbol.dispose]();
  }

  /** Owns the stream; calls `onOver` at its end. Returns true as OnReady does. */
  serve(stream: Connection, onOver: () => void): boolean {
    return this.#front.serve(stream, stream.remote, onOver);
  }
}

/** Drops datagrams to targets that the server is not to be used for. */
function onlyThere(udp: UdpAssociations, direct: BypassRules): UdpAssociations {
  return {
    ...udp,
    open: (events) => {
      const flow = udp.open(events);
      return flow && {
        send: (bytes, to) => {
          if (to === null || !direct.matches(to.host)) flow.send(bytes, to);
        },
        end: () => flow.end(),
      };
    },
  };
}
