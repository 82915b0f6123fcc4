import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { abortable } from "../../base/scope.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { ListenRules } from "../../core/acl/listen_rules.ts";
import { Quota } from "../net/connection_quota.ts";
import { ConnectError } from "../net/connect_error.ts";
import { directOutbound } from "../net/direct_outbound.ts";
import type { Relays } from "../net/relay.ts";
import { type RelayScope, relayScope } from "../net/relay_scope.ts";
import { dialMakingRoom } from "../net/retry_exhausted.ts";
import type { StreamService } from "../net/stream_service.ts";
import { serveInbound } from "../proxy/inbound.ts";
import type { OtherWire } from "../tt/other_wire.ts";
import { KeyRing } from "../link/key_ring.ts";
import { StrangerBudget } from "../link/stranger_budget.ts";
import { ProxyLinks } from "./proxy_links.ts";
import type { ProxyLinkServing, ProxyServerOptions } from "./proxy_options.ts";
import {
  openServer,
  SOCKS_DIALECT,
  STREAM_CHUNK,
  type TransportServer,
} from "./proxy_transport.ts";
import { openStreamHost } from "./stream_server.ts";

/** Milliseconds for the request of a client that has proved the key. */
const CLIENT_REQUEST_MS = 30_000;

/** Runs until the signal aborts; throws a TtunError when no port can be opened. */
export async function serveProxy(o: ProxyServerOptions): Promise<void> {
  await relayScope({ ...o, chunk: STREAM_CHUNK }, (all) => {
    const { tasks, relays, stack } = all;
    const quota = new Quota(o.limits);
    const bound = { ...o, signal: tasks.signal };
    const outbound = outboundOf(bound, () => server.evictIdle());
    const serving = service(bound, relays, quota, outbound);
    const budget = stack.use(new StrangerBudget(o));
    const links = o.links === null
      ? null
      : openLinks({ ...bound, budget }, o.links, serving, outbound, all);
    const server: TransportServer = stack.use(
      openServer(tasks, { ...o, ...wires(o, links?.wire ?? null), budget }, serving),
    );
    o.onKeys?.((keys) => {
      if (tasks.signal.aborted) return;
      server.replaceKeys(keys);
      links?.replaceKeys(keys);
    });
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: server.pending,
    }));
    tasks.spawn(() => server.run());
  });
}

function wires({ links }: ProxyServerOptions, other: OtherWire | null) {
  return { other, takesTt: links === null || links.secrets.mode !== "v2" };
}

function outboundOf(o: ProxyServerOptions, evictIdle: () => boolean): Outbound<ForwardTarget> {
  const dialer = dialMakingRoom(o.dialer, evictIdle);
  return directOutbound({ ...o, dialer, connectMs: o.limits.connectMs });
}

/** Serves version 2 of the link beside tt. */
function openLinks(
  o: ProxyServerOptions & { readonly budget: StrangerBudget },
  links: ProxyLinkServing,
  { quota, tell }: StreamService,
  outbound: Outbound<ForwardTarget>,
  scope: RelayScope,
): { readonly wire: OtherWire; replaceKeys(keys: readonly NamedKey[]): void } {
  const { clock, keys, log, rng } = o;
  const { secrets, secretOf } = links;
  const server = openStreamHost({
    ...links,
    ...o,
    // Sessions come by `take`: no hello is judged by this secret.
    secrets: { ...secrets, s: rng(32) },
    onCounters: () => {},
    outbound,
    listenRules: new ListenRules([]),
    listen: noListener,
    datagrams: { ...links.datagrams, rules: o.rules },
    quota,
    tell,
  }, scope);
  const ready = new KeyRing(keys, { clock, budget: o.budget, onUsed: links.onUsed });
  const wire = new ProxyLinks({
    secrets,
    keys: ready,
    server,
    clock,
    log,
    congestion: o.wire.congestion,
  });
  const work = (signal: AbortSignal) => abortable(ready.run(secretOf), signal);
  scope.tasks.spawn(work);
  scope.tasks.spawn((signal) => wire.run(signal));
  return {
    wire,
    replaceKeys: (keys) => {
      ready.replace(keys);
      scope.tasks.spawn(work);
    },
  };
}

/** Never called: no rule permits a listener. */
function noListener(): never {
  throw new TtunError("usage", "Cannot listen for a client: the proxy's server does not");
}

function service(
  o: ProxyServerOptions,
  relays: Relays,
  quota: Quota,
  outbound: Outbound<ForwardTarget>,
): StreamService {
  const { clock, log, signal } = o;
  const inbound = {
    relays,
    outbound,
    auth: null,
    ...SOCKS_DIALECT,
    signal,
    requestMs: CLIENT_REQUEST_MS,
  };
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  return {
    scratch: relays.options.scratch,
    quota,
    serve: (stream, first, events) => serveInbound(stream, first, inbound, events),
    rejected: new RateLimitedLog(log, () => clock.now()),
    tell: (thrown, peer, owner) => tell(log, said, thrown, peer, owner),
  };
}

/** Logs why a connection was refused or has ended; `said` limits the lines that clients cause. */
function tell(
  log: Logger,
  said: RateLimitedLog,
  thrown: unknown,
  peer: string,
  owner: string,
): void {
  if (thrown instanceof ConnectError) {
    const { failure, message: why } = thrown;
    // The advice is for this server's log only: the client does not get it.
    if (failure === "denied") return said.info("target denied", { peer, why }, owner);
    return log.debug("not connected", { peer, why });
  }
  const error = toTtunError(thrown);
  if (error.kind === "internal") return log.error(error.message, { peer });
  if (error instanceof ProtocolError) {
    return said.warn("connection ended", { peer, why: error.message }, owner);
  }
  log.debug("connection ended", { peer, why: error.message });
}
