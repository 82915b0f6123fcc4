import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import { type Asked, gatewayPages } from "../../app/gateway/gateway_pages.ts";
import { HttpTarget } from "../../app/gateway/http_target.ts";
import { type TargetEnds, TargetPool } from "../../app/gateway/target_pool.ts";
import type { Page } from "../../app/gateway/upstream.ts";
import { open } from "../../app/net/dial_events.ts";
import type { Quota } from "../../app/net/connection_quota.ts";
import { HeadedDialer } from "../../app/net/headed_dialer.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { FolderService, HttpService } from "../../core/gateway/publish_target.ts";
import { type Entered, Entrance } from "../../core/gateway/entrance.ts";
import type { PasswordChecks } from "../../core/gateway/password_checks.ts";
import type { HttpRequest, HttpResponse } from "../../core/http/exchange.ts";
import { Http1Client } from "../../core/http/http1/client.ts";
import { Http2Client } from "../../core/http/http2/client.ts";
import { withPublicLocation } from "../../core/http/policy/location.ts";
import { TlsDialer } from "../../io/tls/tls_dialer.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { AgentWatch } from "./agent_watch.ts";
import type { Inspector } from "./inspector.ts";
import type { TunnelConfig } from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, null>;

/** Loaded where a folder is published. */
export type OpenSite = typeof import("./open_folder.ts").openFolder;

/** Loaded where visitors' TLS comes as it is. */
export type OpenPassthrough = typeof import("./open_passthrough.ts").openPassthrough;

/** Milliseconds to connect with a service. */
const CONNECT_MS = 10_000;

/** Loaded where connections or datagrams are published. */
export type OpenRaw = ReturnType<typeof import("./open_raw_host.ts").rawHosts>;

export interface TunnelTools {
  readonly tools: Tools;
  readonly net: ReturnType<SocketPlatform["openNet"]>;
  /** Returns the places of visitors whose connections come as they are. */
  readonly quota: () => Quota;
  /** Shared by all connections. */
  readonly scratch: Uint8Array;
  /** Null where no folder is published. */
  readonly folders: OpenSite | null;
  /** Null where nodes end the TLS of all. */
  readonly openSealed: OpenPassthrough | null;
  readonly inspector: Inspector | null;
  readonly watch: AgentWatch;
  /** Shared by all services. */
  readonly checks: PasswordChecks;
  /** Null where nothing is published as it is. */
  readonly raw: OpenRaw | null;
}

/** Where the requests of a tunnel are answered. */
interface Service {
  readonly ends: TargetEnds;
  readonly request: (head: HttpRequest) => HttpRequest;
  readonly respond: (head: HttpResponse, request: HttpRequest) => HttpResponse;
}

/** Opens the way to one service. @throws {TtunError} usage, privilege, system */
export function openTunnel(config: TunnelConfig, o: TunnelTools): Tunnel {
  const { name, rules, target: published } = config;
  if (published.kind === "raw") return o.raw!(name, published, rules.visitors.allow);
  const { tools, scratch, inspector } = o;
  const { platform: { clock }, log, signal } = tools;
  if (config.passthrough !== null && published.kind === "http") {
    return o.openSealed!(config, published, { net: o.net, quota: o.quota() }, tools);
  }
  const { ends, request, respond } = openService(published, config.isListed, o);
  const entrance = new Entrance(rules, () => clock.now(), o.checks);
  const target = new HttpTarget({
    pool: ends,
    clock,
    scratch,
    log,
    signal,
    name,
    enter: (head, { visitor, requestId: id }) => {
      const entered = entrance.enter(head, visitor);
      if (entered.kind === "pass") return { ...entered, head: request(entered.head) };
      const page = refusalPage(entered, { head, id });
      log.debug("Refused a visitor", { name, visitor, status: page.head.status });
      return page;
    },
    respond: (head, request) => entrance.respond(respond(head, request)),
    failure: (asked) => gatewayPages.failed(asked),
    counts: o.watch.countsOf(name),
    tap: inspector?.tapOf(name),
  });
  const { serve } = target;
  return inspector === null
    ? { name, serve }
    : { name, serve, end: inspector.serves(name, target) };
}

function refusalPage(entered: Exclude<Entered, { kind: "pass" }>, asked: Asked): Page {
  switch (entered.kind) {
    case "refuse":
      return gatewayPages.refused(asked, entered.status, entered.challenge);
    case "busy":
      return gatewayPages.busy(asked);
    case "wait":
      return entered.seconds === null
        ? gatewayPages.refused(asked, 429, "")
        : gatewayPages.tooOften(asked, entered.seconds);
  }
}

function openService(
  target: HttpService | FolderService,
  isListed: boolean,
  o: TunnelTools,
): Service {
  if (target.kind === "http") return openHttp(target, o);
  const ends = o.folders!(target.path, isListed, o.tools);
  return { ends, request: (head) => head, respond: (head) => head };
}

function openHttp(service: HttpService, { tools, net, scratch }: TunnelTools): Service {
  const { platform: { clock }, resolver, signal, opened } = tools;
  const { to, scheme, host, proxy } = service;
  const dialerOver = serviceDialer(service, tools);
  const common = { resolver, clock, connectMs: CONNECT_MS, rules: null };
  const plain = directOutbound({ ...common, dialer: dialerOver(net) });
  const outboundFor = (visitor: string) => {
    if (proxy === null) return plain;
    // The link tells no port of a visitor's.
    const headed = new HeadedDialer(net, proxy, { host: visitor, port: 0 });
    return directOutbound({ ...common, dialer: dialerOver(headed) });
  };
  const ends = opened.use(
    new TargetPool({
      clock,
      scratch,
      makeMachine: () => scheme === "h2c" ? new Http2Client("http") : new Http1Client(),
      dial: (cancel, visitor) => open(outboundFor(visitor), to, { signal, cancel }),
      isOnce: proxy !== null,
    }),
  );
  return {
    ends,
    request: (head) => host === null ? head : { ...head, authority: host },
    respond: (head, request) => {
      if (host === null) return head;
      const own = { scheme: scheme === "https" ? scheme : "http", authority: host } as const;
      return withPublicLocation(head, own, request);
    },
  };
}

/** Returns what connects with a service: by TLS where it is one of https. @throws {TtunError} */
function serviceDialer(
  { tls }: HttpService,
  { platform, log, opened }: Tools,
): (net: Dialer) => Dialer {
  if (tls === null) return (net) => net;
  const libssl = opened.use(openLibssl());
  const context = opened.use(libssl.clientContext(tls.ca));
  const { clock } = platform;
  return (net) => new TlsDialer(net, { context, clock, host: tls.name, pin: null, log });
}
