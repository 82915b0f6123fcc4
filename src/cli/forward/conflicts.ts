import { TtunError } from "../../base/errors.ts";
import type { TunFlags } from "../tun/options.ts";

/** Options that say something of a device, and their names. */
const OF_DEVICE = {
  device: "--device",
  wintun: "--wintun",
  address: "--address",
  peerAddress: "--peer-address",
  acceptAddresses: "--accept-addresses",
  route: "--route",
  pool: "--pool",
  clients: "--clients",
  clientNetwork: "--client-network",
  offload: "--offload",
  up: "--up",
  down: "--down",
} as const;

/** True for an end without a device. @throws {TtunError} usage, for options that exclude each other */
export function forwardsAlone(options: TunFlags): boolean {
  const why = reasonFor(options);
  if (why === null) {
    refuseWithoutForwards(options);
    return false;
  }
  const given = options as Readonly<Record<string, unknown>>;
  for (const [key, name] of Object.entries(OF_DEVICE)) {
    if (given[key] === undefined) continue;
    throw excluding(why, name, "there is no device; run another ttun for it");
  }
  if (options.mssClamp) throw excluding(why, "--mss-clamp", "there is no device");
  if (options.wire === "v1") {
    throw excluding(why, "--wire v1", "forwards need version 2 of the wire");
  }
  return true;
}

/** Returns the option by which there is no device; null = there is one. */
function reasonFor(options: TunFlags): string | null {
  if (options.noTun) return "--no-tun";
  if (!("server" in options)) return null;
  return options.local !== undefined ? "-L" : options.dynamic !== undefined ? "-D" : null;
}

function refuseWithoutForwards(options: TunFlags): void {
  const isServer = !("server" in options);
  const lone = isServer && options.allow !== undefined
    ? "--permit-open"
    : isServer && options.deny !== undefined
    ? "--deny"
    : options.keepSession !== undefined
    ? "--keep-session"
    : null;
  if (lone === null) return;
  const missing = isServer ? "--no-tun" : "a forward (-L or -D) or --no-tun";
  throw new TtunError("usage", `Cannot use ${lone} without ${missing}`);
}

function excluding(one: string, other: string, why: string): TtunError {
  return new TtunError("usage", `Options ${one} and ${other} exclude each other: ${why}`);
}
