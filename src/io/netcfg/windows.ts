import { type Cidr, formatCidr, formatIp, networkOf } from "../../base/addr.ts";
import { IPV6_MIN_MTU } from "../../contract/device.ts";
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

const NETSH = "netsh";

/** Programs that the process must be allowed to run (deno.json). */
export const WINDOWS_PROGRAMS: readonly string[] = [NETSH];

/**
 * English texts of netsh, which prints in the user's language. In others a failure is `system` with
 * netsh's output; the adapter could be created, so the privilege is there.
 */
const ENGLISH: Dialect = {
  failed: ({ code }) => code !== 0,
  unprivileged: /requires elevation|run as administrator|access is denied/i,
  taken: /object already exists/i,
  advice: "run ttun as administrator",
  quote: (command) => command.map((arg) => arg.includes(" ") ? `"${arg}"` : arg).join(" "),
};

/** Changes go with the adapter and are not written to the registry. */
const ACTIVE = "store=active";

/**
 * Dispose removes the addresses and routes; they also disappear with the adapter.
 * @throws {TtunError} privilege, in_use, system, usage: names the command that failed
 */
export function configureWindows(
  device: string,
  config: NetworkConfig,
  run: RunCommand = runCommand,
): Configured {
  return applySteps(windowsSteps(device, config), {
    dialect: ENGLISH,
    run,
    addressesExplicit: config.addressesExplicit,
  });
}

/** @throws {TtunError} privilege, in_use, system, usage: names the command that failed */
export function changeWindowsAddresses(
  device: string,
  o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  run: RunCommand = runCommand,
): RefusedAddress[] {
  const steps = [
    ...o.remove.map((local) => ({
      doing: `take the address ${formatCidr(local)} away from ${device}`,
      changes: [{
        run: deleteAddress(device, local),
        fine: /element not found|cannot find the file/i, // already removed
      }],
    })),
    ...o.add.map((local) => addressOf(device, o.mtu, local, undefined, "add")),
  ];
  applySteps(steps, { dialect: ENGLISH, run, addressesExplicit: true });
  return [];
}

export function windowsSteps(device: string, config: NetworkConfig): Step[] {
  const { mtu, addresses, peers, routes } = config;
  const first = addresses.find(({ family }) => family === 4);
  return [
    ...([4, 6] as const).filter((family) => family === 4 || mtu >= IPV6_MIN_MTU)
      .filter((family) => addresses.some((address) => address.family === family))
      .map((family) => mtuStep(device, mtu, family)),
    ...addresses.map((address) => {
      const { local, peer } = withPeer(address, peers);
      return addressOf(device, mtu, local, peer, address === first ? "set" : "add");
    }),
    ...routes.map(networkOf).map((network) => ({
      doing: `add the route to ${formatCidr(network)}`,
      changes: [routeChange(device, network)],
    })),
  ];
}

function mtuStep(device: string, mtu: number, family: 4 | 6): Step {
  return {
    doing: `set the MTU of ${device} to ${mtu} for IPv${family}`,
    changes: [{
      run: [...context(family), "set", "subinterface", device, `mtu=${mtu}`, ACTIVE],
    }],
  };
}

/** The first IPv4 address uses `set`, which turns DHCP off; `add` leaves it on. */
function addressOf(
  device: string,
  mtu: number,
  local: Cidr,
  peer: Cidr | undefined,
  verb: "set" | "add",
): Step {
  const own = formatIp(local.bytes);
  const mask = formatIp(networkOf({ ...local, bytes: local.bytes.map(() => 0xff) }).bytes);
  const target = `address=${own}`;
  const run: CommandLine = local.family === 6
    ? [
      ...context(6),
      "add",
      "address",
      `interface=${device}`,
      `address=${formatCidr(local)}`,
      ACTIVE,
    ]
    : [
      ...[...context(4), verb, "address", `name=${device}`],
      ...(verb === "set" ? ["source=static"] : []),
      ...[target, `mask=${mask}`, ACTIVE],
    ];
  const changes: Change[] = [{ run, undo: deleteAddress(device, local) }];
  if (peer !== undefined) changes.push(routeChange(device, networkOf(peer)));
  return addressStep(device, mtu, { local, peer }, changes);
}

function deleteAddress(device: string, local: Cidr): CommandLine {
  const name = local.family === 4 ? "name" : "interface";
  const own = formatIp(local.bytes);
  return [
    ...context(local.family),
    ...["delete", "address", `${name}=${device}`, `address=${own}`, ACTIVE],
  ];
}

function routeChange(device: string, network: Cidr): Change {
  const command = (verb: "add" | "delete"): CommandLine => [
    ...context(network.family),
    ...[verb, "route", `prefix=${formatCidr(network)}`, `interface=${device}`, ACTIVE],
  ];
  return { run: command("add"), undo: command("delete") };
}

function context(family: 4 | 6): CommandLine {
  return [NETSH, "interface", `ipv${family}`];
}
