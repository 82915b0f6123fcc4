import { LONGEST_PACKET } from "../../app/link/accept.ts";
import type { ForwardCounters } from "../../app/system/forwards.ts";
import type { HopListening } from "../../app/system/hop_listening.ts";
import { runTunServer } from "../../app/system/tun_server.ts";
import { counterFacts } from "../../app/tun/counters.ts";
import { PoolRouter } from "../../app/tun/pool_router.ts";
import { PeerRouter } from "../../app/tun/peer_router.ts";
import { withoutDoubles } from "../../base/addr.ts";
import type { Listener } from "../../contract/dial.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";
import { streamTargets } from "../forward/stream_targets.ts";
import { withKeys } from "../plane/server_keys.ts";
import { connectionsStatus } from "../status/describe.ts";
import { reservedAddresses } from "./key_settings.ts";
import { absentClients } from "./absent_clients.ts";
import { LeaseReports } from "./lease_reports.ts";
import { networkStatus } from "./network_status.ts";
import type { ManyClientsConfig, TunConfig, TunStart } from "./plane_config.ts";
import { ServerNetworks } from "./server_networks.ts";
import { deviceStatus, leaveRoot, sessionOptions, type Tunnel } from "./tunnel.ts";

type ManyClients = ReturnType<typeof manyClients>;

/** Returns undefined for one client. */
export function manyClients(
  { addresses, end, routes }: TunConfig,
  many: ManyClientsConfig | undefined,
) {
  const keys = end.role === "server" ? end.keys : undefined;
  return many === undefined ? undefined : {
    clients: many.clients,
    pool: new AddressPool(
      many.pool,
      addresses,
      many.clients,
      many.leases,
      reservedAddresses(keys),
    ),
    networks: new ServerNetworks(many.networks, keys, routes),
  };
}

export interface ServerListening {
  /** Of all places, as the log has them. */
  readonly names: readonly string[];
  readonly listeners: readonly Listener[];
  readonly hops: HopListening;
}

export async function runServer(
  config: TunConfig,
  { names, listeners, hops }: ServerListening,
  tunnel: Tunnel,
  many: ManyClients,
  { s }: TunStart,
): Promise<void> {
  const { platform: { clock }, port, log, opened, device, keeper } = tunnel;
  const { end, io } = config;
  const rules = end.role === "server" && config.wire !== "v1" ? end.streams : undefined;
  const packets = { mssClamp: config.mssClamp, longest: LONGEST_PACKET };
  leaveRoot(tunnel);
  const leases = many === undefined ? null : opened.use(
    new LeaseReports(clock, many.pool, (leases) => port.report({ kind: "leases", leases })),
  );
  const pool = many === undefined
    ? null
    : new PoolRouter(device, clock, { ...packets, log, networks: many.networks.clients });
  const router = pool ?? new PeerRouter(device, clock, packets);
  const { counters } = router;
  tunnel.warmUp?.watch(() => counters.sentPackets + counters.receivedPackets);
  tunnel.onCounters(() => counterFacts(router));
  const routes = () => withoutDoubles([...config.routes, ...many?.networks.routes ?? []]);
  let connections = (): ForwardCounters => ({ connections: 0, served: 0 });
  tunnel.onReport(({ mostStreams, isWhole = false }) => {
    const sessions = tunnel.sessions.describe(mostStreams);
    return {
      listen: names,
      device: deviceStatus(device, tunnel.configured.addresses, counters),
      ...(isWhole && networkStatus(routes(), tunnel)),
      ...(rules !== undefined && { connections: connectionsStatus(connections()) }),
      sessions,
      ...(isWhole && many !== undefined && {
        absentClients: absentClients(many.pool.kept(), sessions, Date.now()),
      }),
    };
  });
  const keys = end.role === "server" ? end.keys : undefined;
  await withKeys(keys, tunnel, (ring, signal) =>
    runTunServer({
      ...sessionOptions(config, tunnel, s, ring),
      signal,
      listeners,
      hops,
      onSession: (host) => {
        tunnel.warmUp?.giveWay();
        keeper.sessionBegins(host);
      },
      router,
      ...(end.role === "server" && { pushed: end.pushed }),
      ...(rules !== undefined && {
        streams: {
          ...streamTargets(rules, { ...tunnel, io }),
          onCounters: (counters) => connections = counters,
        },
      }),
      ...(many !== undefined && {
        many: {
          ...many,
          networks: many.networks.clients,
          onLeases: () => leases?.changed(),
        },
      }),
    }), (keys) => {
    many?.pool.reserve(reservedAddresses(keys));
    if (pool !== null) many?.networks.follow(keys, { ...tunnel, router: pool });
  });
}
