import { limitsFor } from "../../app/net/connection_limits.ts";
import type { ProxyCounters } from "../../app/net/proxy_host.ts";
import type { ProxyServerOptions } from "../../app/system/proxy_options.ts";
import { runProxyClient } from "../../app/system/proxy_client.ts";
import { serveProxy } from "../../app/system/proxy_server.ts";
import { formatAddr, isIpAddress } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Listener } from "../../contract/dial.ts";
import type { CongestionPlan } from "../../core/net/congestion.ts";
import { formatPortRange } from "../../core/hop/port_range.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import type { ChosenCiphers } from "../platform/choose_cipher.ts";
import type { SessionStatus } from "../../core/status/report.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { Net, SocketPlatform } from "../platform/platform.ts";
import type { RelayCount } from "../../app/net/relay.ts";
import { connectionsStatus, proxyTraffic } from "../status/describe.ts";
import {
  clientOptions,
  commonOptions,
  linkServing,
  linkUse,
  serverOptions,
} from "./end_options.ts";
import type { ProxyConfig, ProxyFacts } from "./plane_config.ts";
import { startWarmUp } from "./warm_up.ts";

/** On most systems only privileged processes may open lower ports. */
const FIRST_FREE_PORT = 1024;

/** Needs no privilege. @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: ProxyConfig, host: PlaneHost): Promise<void> {
  await runPlane(config, host, {
    mayMeetNames: mayMeetNames(config.end),
    openPlatform: () => openSockets(config.io),
    open: (tools: Tools) => open(config, tools),
  });
}

export type Tools = PlaneTools<SocketPlatform, null>;

function open(config: ProxyConfig, tools: Tools): OpenedPlane<null> {
  const { platform, ciphers, log, opened, signal } = tools;
  const { end, io } = config;
  // Only the connections between the two ends; programs and targets have paths of their own.
  const segmentBytes = { [end.role === "client" ? "dial" : "listen"]: config.segmentSize };
  const net = platform.openNet({ io, mptcp: false, segmentBytes }, log);
  const listener = end.role === "client" ? opened.use(net.listen(end.listen, { signal })) : null;
  platform.planCongestion(config.congestion); // for root the kernel loads its module
  tools.becomeUser(); // before the log says that it listens: then nothing runs as root any more
  const congestion = platform.planCongestion(config.congestion);
  return {
    facts: tellStart(config, ciphers, congestion, listener, log),
    run: () => runEnd(config, congestion, listener, net, tools),
  };
}

function mayMeetNames(end: ProxyConfig["end"]): boolean {
  return end.role === "server" || end.direct.length > 0 || !isIpAddress(end.server);
}

function tellStart(
  { end, wire: { cipher, range }, io, user }: ProxyConfig,
  ciphers: ChosenCiphers,
  congestion: CongestionPlan,
  listener: Listener | null,
  log: Logger,
): ProxyFacts {
  const backends = {
    cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io,
    congestion: congestion.text,
    ports: formatPortRange(range),
  };
  if (end.role === "client") {
    const listen = formatAddr(listener!.addr);
    log.info("proxy client", backends);
    log.info("listening", { address: listen, server: end.server });
    return { listen };
  }
  log.info("proxy server", {
    ...backends,
    host: end.host === "" ? "all addresses" : end.host,
    keys: end.keys.length,
  });
  if (user !== undefined && range.first < FIRST_FREE_PORT) {
    log.warn(
      `ports below ${FIRST_FREE_PORT} are for root on most systems, and --user gives that up: ` +
        "those of --port-range may be refused from now on",
    );
  }
  return { listen: end.host };
}

async function runEnd(
  config: ProxyConfig,
  congestion: CongestionPlan,
  listener: Listener | null,
  net: Net,
  tools: Tools,
): Promise<void> {
  const { end } = config;
  const { platform, opened, log, sessions, signal, port, onCounters, onReport } = tools;
  let counters = () => ({ connections: 0, served: 0 });
  const warmUp = startWarmUp(config, tools, () => counters());
  if (warmUp !== null) opened.use(warmUp);
  const ends = end.role === "client"
    ? { server: end.server, listen: [formatAddr(listener!.addr)] }
    : { listen: [end.host === "" ? "all addresses" : end.host] };
  let total: Readonly<RelayCount> = { up: 0, down: 0 };
  const limits = limitsFor(config.limits, platform.descriptors, log);
  const common = {
    ...commonOptions(config, tools, { dialer: net, congestion: congestion.choice, limits }),
    log,
    signal,
    onTraffic: (given: Readonly<RelayCount>) => void (total = given),
    onCounters: (given: () => ProxyCounters) => {
      counters = given;
      onCounters(() => ({ ...given() }));
      onReport(({ mostStreams }) => ({
        ...ends,
        transports: ["hop"],
        connections: { ...connectionsStatus(given()), ...proxyTraffic(end.role, total) },
        ...sessionsOf(config, sessions.describe(mostStreams)),
      }));
    },
  };
  if (end.role === "server") {
    const own = opened.use(platform.ownAddresses());
    const isOwn = (ip: Uint8Array) => own.has(ip);
    const listen: ProxyServerOptions["listen"] = (at, o) => net.listen(at, o);
    const options = serverOptions(common, end, listen, isOwn, linkServing(config, tools));
    port.onRules((rules) => options.rules.replace(rules));
    const onKeys: ProxyServerOptions["onKeys"] = (use) => port.onKeys(use);
    await serveProxy({ ...options, portList: tools.portList, onKeys });
  } else {
    await runProxyClient(clientOptions(common, end, listener!, linkUse(config, tools)));
  }
}

/** Over tt there are no sessions, and none is missing. */
function sessionsOf({ wire: { mode } }: ProxyConfig, sessions: SessionStatus[]) {
  return sessions.length > 0 || mode === "v2" ? { sessions } : {};
}
