import { TtunError } from "../../base/errors.ts";
import { formatEndpoint, hopOf } from "../transport/endpoint.ts";
import type { TunFlags } from "../tun/options.ts";

/** Options that say something of a device, and their names. */
const OF_DEVICE = {
  device: "--device",
  wintun: "--wintun",
  address: "--address",
  peerAddress: "--peer-address",
  acceptAddresses: "--accept-addresses",
  exclude: "--exclude",
  route: "--route",
  pool: "--pool",
  clients: "--clients",
  clientNetwork: "--client-network",
  nat: "--nat",
  pushRoute: "--push-route",
  pushDns: "--push-dns",
  dns: "--dns",
  offload: "--offload",
  up: "--up",
  down: "--down",
} as const;

/** True for an end without a device. @throws {TtunError} usage, for options that exclude each other */
export function forwardsAlone(options: TunFlags): boolean {
  if ("relayRate" in options && options.relayRate !== undefined && !options.permitRelay) {
    throw new TtunError("usage", "Cannot use --relay-rate without --permit-relay");
  }
  const isAlone = hasNoDevice(options);
  if (!isAlone) refuseHops(options);
  return isAlone;
}

function hasNoDevice(options: TunFlags): boolean {
  const forward = forwardOption(options);
  if (forward === null && !options.noTun) {
    refuseWithoutForwards(options);
    return false;
  }
  if (options.wire === "v1") {
    throw excluding(forward ?? "--no-tun", "--wire v1", "forwards need version 2 of the wire");
  }
  const device = deviceOption(options);
  if (device !== null && forward === "-W") {
    throw excluding(forward, device, "it is one connection, and ends with it");
  }
  if (!options.noTun) return device === null;
  if (device !== null) throw excluding("--no-tun", device, "there is no device then");
  return true;
}

/** Returns an option by which a client forwards; null = there is none. */
function forwardOption(options: TunFlags): string | null {
  if (!("server" in options)) return null;
  const { stdio, local, remote, dynamic } = options;
  if (stdio !== undefined) return "-W";
  if (local !== undefined) return "-L";
  return remote !== undefined ? "-R" : dynamic !== undefined ? "-D" : null;
}

/** Returns an option that wants a device; null = there is none. */
function deviceOption(options: TunFlags): string | null {
  if ("server" in options && options.tun) return "--tun";
  if ("server" in options && options.defaultRoute) return "--default-route";
  if ("server" in options && options.killSwitch) return "--kill-switch";
  const given = options as Readonly<Record<string, unknown>>;
  for (const [key, name] of Object.entries(OF_DEVICE)) {
    if (given[key] !== undefined) return name;
  }
  return options.mssClamp ? "--mss-clamp" : null;
}

/** @throws {TtunError} usage, for options about forwards where there are none */
function refuseWithoutForwards(options: TunFlags): void {
  const isServer = !("server" in options);
  if (!isServer && options.keepSession !== undefined) {
    throw new TtunError(
      "usage",
      "Cannot use --keep-session without a forward (-L, -R, -D or -W) or --no-tun",
    );
  }
  if (!isServer || options.wire !== "v1") return;
  const given = options.allow !== undefined
    ? "--permit-open"
    : options.deny !== undefined
    ? "--deny"
    : options.permitListen !== undefined
    ? "--permit-listen"
    : options.permitRelay
    ? "--permit-relay"
    : options.keepSession !== undefined
    ? "--keep-session"
    : null;
  if (given !== null) throw excluding("--wire v1", given, "forwards need version 2 of the wire");
}

/** Version 1 has no session that goes on from port to port. @throws {TtunError} usage */
function refuseHops(options: TunFlags): void {
  if (options.wire !== "v1") return;
  const ends = "server" in options ? [options.server] : options.listen;
  const hop = ends.find((end) => hopOf(end) !== null);
  if (hop === undefined) return;
  throw excluding("--wire v1", formatEndpoint(hop), "ports that hop need version 2 of the wire");
}

function excluding(one: string, other: string, why: string): TtunError {
  return new TtunError("usage", `Options ${one} and ${other} exclude each other: ${why}`);
}
