import type { KeyRing } from "../../app/link/key_ring.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { deviceTraffic, type PacketCounters } from "../../app/tun/counters.ts";
import { type Cidr, formatCidr } from "../../base/addr.ts";
import type { DeviceStatus } from "../../core/status/report.ts";
import type { Configured } from "../../io/netcfg/linux.ts";
import type { openForwards } from "../forward/open_forwards.ts";
import { ticketGuard } from "../peer/ticket_guard.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { RunningWarmUp } from "../plane/warm_up.ts";
import type { DeviceKeeper, OpenedDevice, Platform } from "../platform/platform.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import type { Gateway } from "./gateway.ts";
import type { NatGateway } from "./nat.ts";
import type { DnsSettings } from "./dns_settings.ts";
import type { PushedRoutes } from "./pushed_routes.ts";
import type { TunConfig, TunStart } from "./plane_config.ts";

export type Tools = PlaneTools<Platform, TunStart>;

export interface TunnelWarmUp extends RunningWarmUp {
  /** `passed` counts real packets. */
  watch(passed: () => number): void;
}

export interface Tunnel extends Tools {
  /** Connects a client with its server. */
  readonly dialer: Dialer;
  readonly congestion: CongestionChoice | undefined;
  readonly device: OpenedDevice;
  readonly configured: Configured;
  readonly keeper: DeviceKeeper;
  /** Null = traffic goes as the routes of the device say. */
  readonly gateway: Pick<Gateway, "useNameServers" | "status"> | null;
  /** Null = a server's clients reach what its routes say. */
  readonly nat: Pick<NatGateway, "behindClients" | "uplinks"> | null;
  /** Null = a client takes no routes from its server. */
  readonly pushedRoutes: PushedRoutes | null;
  /** Null = a client leaves its machine's name servers alone. */
  readonly dns: DnsSettings | null;
  /** Null where there is none. */
  readonly warmUp: TunnelWarmUp | null;
  /** A client's; null = it has none. */
  readonly forwards: ReturnType<typeof openForwards> | null;
}

/** Warns of what cannot be put back from then on. */
export function leaveRoot({ becomeUser, log, device, configured }: Tunnel): void {
  if (becomeUser()) return;
  log.warn(
    "--user gives up the privilege to change the network: what others take from the device " +
      "cannot be put back" +
      (device.persistent && configured.changed ? ", and what ttun changed on it stays" : ""),
  );
}

/** `addresses` are those that the device has now. */
export function deviceStatus(
  { name, mtu }: OpenedDevice,
  addresses: readonly Cidr[],
  counters: PacketCounters,
): DeviceStatus {
  return { name, mtu, addresses: addresses.map(formatCidr), ...deviceTraffic(counters) };
}

export function sessionOptions(
  config: TunConfig,
  { ciphers, congestion, platform, log, sessions, signal }: Tunnel,
  s: Uint8Array,
  keys?: KeyRing,
) {
  const listen = config.end.role === "server" ? config.end.listen : [];
  const guard = ticketGuard(listen, platform.clock);
  const secrets = { ...wireSecrets(config, ciphers, s, keys), ...guard };
  return { secrets, clock: platform.clock, log, sessions, signal, congestion };
}
