import { type Cidr, formatCidr, formatIp, networkOf } from "../../base/addr.ts";
import { addressStep } from "./address_steps.ts";
import { withPeer } from "./local_address.ts";
import type { Configured, NetworkConfig, RefusedAddress } from "./linux.ts";
import {
  applySteps,
  type Change,
  type CommandLine,
  type Dialect,
  type RunCommand,
  runCommand,
  type Step,
} from "./command_steps.ts";

const IFCONFIG = "/sbin/ifconfig";
const ROUTE = "/sbin/route";

/** Programs that the process must be allowed to run (deno.json). */
export const DARWIN_PROGRAMS: readonly string[] = [IFCONFIG, ROUTE];

/** strerror(EEXIST), as route(8) prints it. */
const EXISTS = /File exists/;

/** route(8) exits with 0 even if the kernel refused (network_cmds: route.tproj/route.c). */
const DARWIN: Dialect = {
  failed: ({ code, output }) => code !== 0 || /^route: /m.test(output),
  unprivileged: /permission denied|operation not permitted|must be root/i,
  taken: EXISTS,
  advice: "run ttun with sudo",
  quote: (command) => command.join(" "),
};

/**
 * Dispose removes the addresses and routes; they also disappear with the device.
 * @throws {TtunError} privilege, in_use, system, usage: names the command that failed
 */
export function configureDarwin(
  device: string,
  config: NetworkConfig,
  run: RunCommand = runCommand,
): Configured {
  return applySteps(darwinSteps(device, config), {
    dialect: DARWIN,
    run,
    addressesExplicit: config.addressesExplicit,
  });
}

/** @throws {TtunError} privilege, in_use, system, usage: names the command that failed */
export function changeDarwinAddresses(
  device: string,
  o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  run: RunCommand = runCommand,
): RefusedAddress[] {
  const steps = [
    ...o.remove.map((local) => removal(device, local)),
    ...o.add.map((local) => addressOf(device, o.mtu, local, undefined)),
  ];
  applySteps(steps, { dialect: DARWIN, run, addressesExplicit: true });
  return [];
}

export function darwinSteps(device: string, config: NetworkConfig): Step[] {
  const { mtu, addresses, peers, routes } = config;
  return [
    {
      doing: `set the MTU of ${device} to ${mtu} and bring it up`,
      changes: [{ run: [IFCONFIG, device, "mtu", `${mtu}`, "up"] }],
    },
    ...addresses.map((address) => {
      const { local, peer } = withPeer(address, peers);
      return addressOf(device, mtu, local, peer);
    }),
    ...routes.map(networkOf).map((network) => ({
      doing: `add the route to ${formatCidr(network)}`,
      changes: [routeChange(device, network)],
    })),
  ];
}

/**
 * IPv4 requires a remote address, and a route for its network. IPv6 requires none, and macOS may or
 * may not have added the route itself.
 */
function addressOf(device: string, mtu: number, local: Cidr, peer: Cidr | undefined): Step {
  const own = formatIp(local.bytes);
  const undo = [IFCONFIG, device, inet(local), own, "-alias"];
  const run: CommandLine = local.family === 4
    ? [IFCONFIG, device, "inet", formatCidr(local), formatIp(otherEnd(local, peer)), "alias"]
    : [
      ...[IFCONFIG, device, "inet6", own],
      ...(peer === undefined ? [] : [formatIp(peer.bytes)]),
      ...["prefixlen", `${local.prefix}`, "alias"],
    ];
  const changes: Change[] = [{ run, undo }];
  const reached = peer ?? local;
  if (reached.prefix < reached.bytes.length * 8 || (peer !== undefined && peer.family === 6)) {
    const route = routeChange(device, networkOf(reached));
    changes.push(local.family === 6 ? { ...route, fine: EXISTS } : route);
  }
  return addressStep(device, mtu, { local, peer }, changes);
}

/** Returns the peer, the other host of a two-host network, or else the local address. */
function otherEnd(local: Cidr, peer: Cidr | undefined): Uint8Array {
  if (peer !== undefined) return peer.bytes;
  const bytes = local.bytes.slice();
  const last = bytes.length - 1;
  const host = bytes[last]! & 3;
  if (local.prefix === 31) bytes[last]! ^= 1; // RFC 3021
  else if (local.prefix === 30 && (host === 1 || host === 2)) bytes[last]! ^= 3;
  return bytes;
}

function removal(device: string, local: Cidr): Step {
  const doing = `take the address ${formatCidr(local)} away from ${device}`;
  const gone = /not in table|can't assign requested address/i; // strerror(EADDRNOTAVAIL)
  const changes: Change[] = [{
    run: [IFCONFIG, device, inet(local), formatIp(local.bytes), "-alias"],
    fine: gone,
  }];
  if (local.prefix < local.bytes.length * 8) {
    changes.unshift({ run: routeCommand("delete", device, networkOf(local)), fine: gone });
  }
  return { doing, changes };
}

function routeChange(device: string, network: Cidr): Change {
  return {
    run: routeCommand("add", device, network),
    undo: routeCommand("delete", device, network),
  };
}

function routeCommand(verb: "add" | "delete", device: string, network: Cidr): CommandLine {
  return [ROUTE, "-n", verb, `-${inet(network)}`, formatCidr(network), "-interface", device];
}

function inet({ family }: Cidr): "inet" | "inet6" {
  return family === 4 ? "inet" : "inet6";
}
