import { LONGEST_PACKET } from "../../app/link/accept.ts";
import type { ServerMemory } from "../../app/link/connect.ts";
import type { ForwardCounters } from "../../app/system/forwards.ts";
import { runTunClient } from "../../app/system/tun_client.ts";
import { runTunForwardClient } from "../../app/system/tun_forward_client.ts";
import { serverName } from "../../app/system/server_name.ts";
import type { TunClientOptions } from "../../app/system/tun_client_options.ts";
import { counterFacts } from "../../app/tun/counters.ts";
import { PeerRouter } from "../../app/tun/peer_router.ts";
import { formatCidr, isIpAddress, plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Paths } from "../../contract/routing.ts";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import type { PlanePort } from "../plane/worker_port.ts";
import { isGranted } from "../platform/permissions.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus, forwardsStatus } from "../status/describe.ts";
import { AssignedAddresses } from "./assigned_addresses.ts";
import { networkStatus } from "./network_status.ts";
import type { TunConfig, TunStart } from "./plane_config.ts";
import { TakenSettings } from "./taken_settings.ts";
import { deviceStatus, leaveRoot, sessionOptions, type Tunnel } from "./tunnel.ts";

/** Milliseconds without a session after which a client's own addresses are worth a warning. */
const NO_ADDRESSES_MS = 3_000;

/** `addresses` are IP addresses of the server that are known already. */
export async function runClient(
  config: TunConfig,
  { server, retries }: Pick<TunClientOptions, "server" | "retries">,
  tunnel: Tunnel,
  addresses: readonly string[],
  start: TunStart,
): Promise<void> {
  const { platform: { clock }, port, log, dialer, device, configured, keeper } = tunnel;
  const { mssClamp } = config;
  const host = "host" in server ? server.host : undefined;
  const becomeUser = () => {
    if (config.user !== undefined && host !== undefined) {
      openEarly(keeper.paths, [...addresses, host]);
    }
    leaveRoot(tunnel);
    if (config.user !== undefined && tunnel.dns !== null) {
      log.warn(
        "--user gives up the privilege to put the former name servers back at the end: run sudo " +
          "ttun doctor --repair then, or start a tunnel as root",
      );
    }
  };
  let isRoot = config.userAfterUp;
  if (!isRoot) becomeUser();
  // A server may give other addresses soon; without a session these stay.
  tunnel.opened.use(clock.after(NO_ADDRESSES_MS, () => keeper.warnOfDuplicates()));
  const { whyForgotten = null } = start;
  const given = new AssignedAddresses(
    keeper,
    device.name,
    { ...config, whyForgotten, nameServers: nameServers() },
    configured.addresses,
    log,
  );
  const router = new PeerRouter(device, clock, { mssClamp, longest: LONGEST_PACKET });
  const { counters } = router;
  tunnel.warmUp?.watch(() => counters.sentPackets + counters.receivedPackets);
  tunnel.onCounters(() => counterFacts(router));
  const { forwards } = tunnel;
  const isUp = { tunnel: false, forwards: forwards === null };
  const up = (part: keyof typeof isUp) => {
    if (isUp[part]) return;
    isUp[part] = true;
    if (isUp.tunnel && isUp.forwards) port.report({ kind: "up" });
  };
  let connections = (): ForwardCounters => ({ connections: 0, served: 0 });
  tunnel.onReport(({ mostStreams, isWhole = false }) => ({
    server: serverName(server),
    device: deviceStatus(device, given.present, counters),
    ...(isWhole && networkStatus(config.routes, tunnel)),
    ...(forwards !== null && {
      forwards: forwardsStatus(forwards),
      connections: connectionsStatus(connections()),
    }),
    sessions: tunnel.sessions.describe(mostStreams),
  }), forwards ?? undefined);
  const session = sessionOptions(config, tunnel, start.s);
  const pushed = new TakenSettings(config.dns, tunnel);
  const followNames = () => tunnel.gateway?.useNameServers(tunnel.dns?.servers ?? []);
  const client: TunClientOptions = {
    ...session,
    router,
    takeAddresses: async (addresses, { server, signal, pushed: settings }) => {
      tunnel.warmUp?.giveWay();
      const host = "host" in server ? server.host : undefined;
      await given.take(addresses, host);
      pushed.take(settings, host);
      followNames();
      keeper.sessionBegins(host);
      await port.tellAddresses(given.present.map(formatCidr), signal);
      if (isRoot) becomeUser();
      isRoot = false;
      keeper.sessionBegins(host); // the --up command may have sent everything into the tunnel
      up("tunnel");
    },
    sessionEnded: () => {
      pushed.clear();
      followNames();
    },
    paths: keeper.paths,
    server,
    retries,
    dialer,
    resolver: tunnel.carrierResolver,
    ...(config.gateway !== null && "host" in server && !isIpAddress(server.host) && {
      lastServer: {
        address: start.lastAddress ?? null,
        keep: (address) => port.report({ kind: "serverAddress", address }),
      },
    }),
    addresses,
    memory: rememberV2(start.seenV2, port),
    instance: rng(ID_SIZE),
    identity: start.identity,
  };
  if (forwards === null) return await runTunClient(client);
  await runTunForwardClient({
    ...client,
    ...forwards,
    onCounters: (counters) => connections = counters,
    onUp: () => up("forwards"),
  });
}

/** Routes can surely be made at the start. A failure recurs at the dial, which reports it. */
function openEarly(paths: Paths, hosts: readonly string[]): void {
  for (const host of hosts) {
    try {
      paths.open(plainHost(host));
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
    }
  }
}

/** Remembers it for this process; the main thread writes it down for later ones. */
function rememberV2(known: boolean, port: PlanePort<TunStart>): ServerMemory {
  let seenV2 = known;
  return {
    get seenV2() {
      return seenV2;
    },
    reportV2: () => {
      if (!seenV2) port.report({ kind: "reportV2" });
      seenV2 = true;
    },
  };
}

/** Reads /etc/resolv.conf: the tunnel must not swallow these servers unnoticed. */
function nameServers(): readonly string[] {
  const path = "/etc/resolv.conf";
  if (Deno.build.os === "windows" || !isGranted({ name: "read", path })) return [];
  try {
    return parseResolvConf(Deno.readTextFileSync(path)).servers;
  } catch {
    return []; // there is none
  }
}
