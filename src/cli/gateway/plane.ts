import { AgentClient, type Tunnel } from "../../app/gateway/agent_client.ts";
import { AgentLinks } from "../../app/gateway/agent_links.ts";
import { gatewayPages } from "../../app/gateway/gateway_pages.ts";
import { HttpTarget } from "../../app/gateway/http_target.ts";
import { TargetPool } from "../../app/gateway/target_pool.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { open } from "../../app/net/dial_events.ts";
import { HeadedDialer } from "../../app/net/headed_dialer.ts";
import { formatAddr } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import { VisitorGuard } from "../../core/gateway/visitor_rules.ts";
import { Http1Client } from "../../core/http/http1/client.ts";
import { Http2Client } from "../../core/http/http2/client.ts";
import { withPublicLocation } from "../../core/http/policy/location.ts";
import { TlsDialer } from "../../io/tls/tls_dialer.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import { load } from "../plane/load.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { agentOptions } from "./agent_options.ts";
import type { Inspector, InspectorTools } from "./inspector.ts";
import type { AgentConfig, TunnelConfig } from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, null>;
type OpenInspector = typeof import("./inspector.ts").openInspector;

/** Milliseconds to connect with a service. */
const CONNECT_MS = 10_000;

/** Bytes that are read at once for any connection. */
const SCRATCH = 64 * 1024;

/** Needs no privilege. @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: AgentConfig, host: PlaneHost): Promise<void> {
  const inspectors = config.inspect === null ? null : await load(() => import("./inspector.ts"));
  await runPlane(config, host, {
    mayMeetNames: true,
    openPlatform: () => openSockets(config.io),
    open: (tools: Tools) => openAgent(config, tools, inspectors?.openInspector ?? null),
  });
}

function openAgent(
  config: AgentConfig,
  tools: Tools,
  openInspector: OpenInspector | null,
): OpenedPlane<null> {
  const { platform: { clock }, log, signal, opened, port } = tools;
  const { io, folder, at, inspect } = config;
  const net = tools.platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  const scratch = new Uint8Array(SCRATCH);
  const guard = new VisitorGuard(config.rules, () => clock.now());
  const print = (line: string) => port.report({ kind: "print", line, isProgress: false });
  const listen: InspectorTools["listen"] = (at, o) => net.listen(at, o);
  const inspector = inspect === null
    ? null
    : openInspector?.(inspect, { listen, clock, log, signal, opened, print }) ?? null;
  const tunnels = config.tunnels.map((tunnel) =>
    openTunnel(tunnel, { tools, net, scratch, guard, inspector })
  );
  const own = agentOptions(config, net, tools);
  let hasSaid = false;
  const links = new AgentLinks({
    first: at,
    log,
    make: (at, { found, mostFailures }) =>
      new AgentClient({
        ...own.of(at),
        tunnels,
        onOthers: found,
        mostFailures,
        onPublished: (domain, publicPort) => {
          log.info("Linked", { gateway: formatAddr(at), names: tunnels.length });
          if (hasSaid) return;
          hasSaid = true;
          for (const { name } of tunnels) {
            const url = `https://${name}.${domain}${publicPort === 443 ? "" : `:${publicPort}`}/`;
            print(url);
          }
          port.report({ kind: "up" });
        },
      }),
  });
  return { facts: { folder }, run: () => links.run(signal) };
}

/** Opens the way to one service. */
function openTunnel(
  { name, target }: TunnelConfig,
  { tools, net, scratch, guard, inspector }: {
    readonly tools: Tools;
    readonly net: ReturnType<SocketPlatform["openNet"]>;
    readonly scratch: Uint8Array;
    readonly guard: VisitorGuard;
    readonly inspector: Inspector | null;
  },
): Tunnel {
  const { platform: { clock }, resolver, log, signal, opened } = tools;
  const { to, scheme, host, proxy } = target;
  const dialerOver = targetDialer(target, tools);
  const common = { resolver, clock, connectMs: CONNECT_MS, rules: null };
  const plain = directOutbound({ ...common, dialer: dialerOver(net) });
  const outboundFor = (visitor: string) => {
    if (proxy === null) return plain;
    // The link tells no port of a visitor's.
    const headed = new HeadedDialer(net, proxy, { host: visitor, port: 0 });
    return directOutbound({ ...common, dialer: dialerOver(headed) });
  };
  const pool = opened.use(
    new TargetPool({
      clock,
      scratch,
      makeMachine: () => scheme === "h2c" ? new Http2Client("http") : new Http1Client(),
      dial: (cancel, visitor) => open(outboundFor(visitor), to, { signal, cancel }),
      isOnce: proxy !== null,
    }),
  );
  const service = new HttpTarget({
    pool,
    clock,
    scratch,
    log,
    signal,
    name,
    request: (head, { visitor, requestId }) => {
      const verdict = guard.judge(head, visitor);
      if (verdict.kind === "pass") {
        return host === null ? verdict.head : { ...verdict.head, authority: host };
      }
      log.debug("Refused a visitor", { name, visitor, status: verdict.status });
      return gatewayPages.refused({ head, id: requestId }, verdict.status, verdict.challenge);
    },
    respond: (head, request) => {
      if (host === null) return head;
      const own = { scheme: scheme === "https" ? scheme : "http", authority: host } as const;
      return withPublicLocation(head, own, request);
    },
    failure: (asked) => gatewayPages.failed(asked),
    tap: inspector?.tapOf(name),
  });
  inspector?.serves(name, service);
  return { name, serve: service.serve };
}

/** Returns what connects with a service: by TLS where it is one of https. @throws {TtunError} usage, system */
function targetDialer(
  { tls }: PublishTarget,
  { platform, log, opened }: Tools,
): (net: Dialer) => Dialer {
  if (tls === null) return (net) => net;
  const libssl = opened.use(openLibssl());
  const context = opened.use(libssl.clientContext(tls.ca));
  const { clock } = platform;
  return (net) => new TlsDialer(net, { context, clock, host: tls.name, pin: null, log });
}
