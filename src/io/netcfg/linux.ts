import { type Cidr, formatCidr, formatIp, networkOf } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import type { LinkAddress } from "../../../ffi/linux/netlink_address.ts";
import type { LinkChange } from "../../../ffi/linux/netlink_link.ts";
import type { NewRoute, Route } from "../../../ffi/linux/netlink_route.ts";
import { addressText, refuseForMtu, withPeer } from "./local_address.ts";

export interface NetworkConfig {
  mtu: number;
  addresses: Cidr[];
  /** An address with a peer of its family is point-to-point, not part of a shared network. */
  peers: Cidr[];
  routes: Cidr[];
  /** Settings for speed only, whose failure is a warning at most. */
  tuning?: Pick<LinkChange, "gsoMaxSize" | "queueLength">;
  /** The user specified the addresses: one that cannot be set is an error, not a warning. */
  addressesExplicit: boolean;
}

/** Changes that were made; dispose undoes them. */
export interface Configured extends Disposable {
  readonly changed: boolean;
  /** Log messages about optional settings that failed. */
  readonly warnings: string[];
  /** Configured addresses that the device has now. */
  readonly addresses: Cidr[];
}

/**
 * Does not touch settings that are right already: then it needs no privilege. A device that
 * disappears with its process needs no undo.
 * @throws {TtunError} privilege, system, usage: with the commands that fix it
 */
export function configure(libc: Libc, device: string, config: NetworkConfig): Configured {
  const undo: ((netlink: Netlink) => void)[] = [];
  const warnings: string[] = [];
  const takeBack = () => runUndo(libc, undo);
  try {
    using netlink = new Netlink(libc);
    const before = netlink.link(device);
    const step = (doing: string, command: string, run: () => void, family?: 4 | 6) =>
      attempt(device, doing, command, run, family);

    if (before.mtu !== config.mtu) {
      step(
        `set the MTU of ${device} to ${config.mtu}`,
        `ip link set dev ${device} mtu ${config.mtu}`,
        () => {
          netlink.setLink(before.index, { mtu: config.mtu });
        },
      );
      undo.push((again) => again.setLink(before.index, { mtu: before.mtu }));
    }
    if (config.tuning !== undefined) tune(netlink, before.index, config.tuning);
    // The route to an IPv6 peer is added with its address, and only if the link is up.
    if (!before.up) {
      step(`bring ${device} up`, `ip link set dev ${device} up`, () => {
        netlink.setLink(before.index, { up: true });
      });
      undo.push((again) => again.setLink(before.index, { up: false }));
    }
    const wanted = config.addresses.map((local) => withPeer(local, config.peers));
    const present = netlink.addresses(before.index);
    const addresses: Cidr[] = [];
    for (const address of wanted) {
      const refused = addAddress(netlink, device, before.index, address, present, config.mtu, undo);
      if (refused === null) addresses.push(address.local);
      else if (config.addressesExplicit || address.local.family === 4) throw refused;
      else warnings.push(refused.message);
    }
    const table = config.routes.length === 0 ? [] : netlink.allRoutes();
    const rivals = rivalMetrics(before.index, table);
    const there = new Set(
      table.filter((route) => route.isUnicast && route.index === before.index).map(({ to }) =>
        formatCidr(to)
      ),
    );
    for (const to of config.routes.map(networkOf)) {
      const text = formatCidr(to);
      if (there.has(text)) continue;
      there.add(text);
      // An existing default route stays behind this one and takes effect again without it.
      const isDefault = to.prefix === 0;
      const rival = rivals.get(text);
      const route = routeFor(before.index, to, isDefault ? rival : undefined);
      step(`add the route to ${text}`, `ip route add ${text} dev ${device}`, () => {
        const isTaken = !isDefault && rival !== undefined && rival < USUAL_METRIC_V6;
        if (isTaken) throw new NativeError("RTM_NEWROUTE", Errno.EEXIST);
        netlink.addRoute(route, isDefault ? "before" : "only");
      }, to.family);
      undo.push((again) => again.removeRoute(route));
    }
    return { changed: undo.length > 0, warnings, addresses, [Symbol.dispose]: takeBack };
  } catch (thrown) {
    takeBack();
    if (!(thrown instanceof NativeError)) throw thrown;
    throw new TtunError("system", `Cannot configure ${device}: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

/** The lowest metric wins for IPv6: the route gets less than `rival`, that of another program's. */
export function routeFor(index: number, to: Cidr, rival: number | undefined): NewRoute {
  if (to.family === 4 || rival === undefined || rival > USUAL_METRIC_V6) return { index, to };
  return { index, to, metric: Math.max(1, rival - 1) };
}

/** Returns the lowest metric by IPv6 network, of routes that use other links or refuse packets. */
export function rivalMetrics(index: number, table: readonly Route[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { to, metric, index: at, isUnicast } of table) {
    if (to.family === 4 || (isUnicast && at === index)) continue;
    const text = formatCidr(to);
    found.set(text, Math.min(metric, found.get(text) ?? Infinity));
  }
  return found;
}

/** IP6_RT_PRIO_USER, the kernel's default */
const USUAL_METRIC_V6 = 1024;

/** Ignores missing privileges and kernel support. */
function tune(netlink: Netlink, index: number, tuning: LinkChange): void {
  try {
    netlink.setLink(index, tuning);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
  }
}

/** IPv4 dummy address (RFC 7600 section 4.8), which belongs to no host. */
const STAND_IN: Cidr = { family: 4, bytes: Uint8Array.of(192, 0, 0, 8), prefix: 32 };

export interface RefusedAddress {
  readonly local: Cidr;
  readonly why: TtunError;
}

/**
 * Returns those that could not be added, if at least one could.
 * @throws {TtunError} privilege, system, usage: with the command that fixes it
 */
export function changeAddresses(
  libc: Libc,
  device: string,
  o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
): RefusedAddress[] {
  try {
    using netlink = new Netlink(libc);
    const { index } = netlink.link(device);
    const remove = (local: Cidr) =>
      attempt(
        device,
        `take the address ${formatCidr(local)} away from ${device}`,
        `ip address del ${formatCidr(local)} dev ${device}`,
        () => removeIfThere(netlink, index, local),
        local.family,
      );
    const add = (local: Cidr, present: LinkAddress[]) =>
      addAddress(netlink, device, index, { local }, present, o.mtu, []);
    // With its last IPv4 address a device loses its IPv4 routes, and their packets would leave by
    // another link. A temporary address prevents that.
    const needsStandIn = o.remove.some(({ family }) => family === 4);
    if (needsStandIn) add(STAND_IN, []);
    try {
      o.remove.forEach(remove);
      const present = netlink.addresses(index);
      const refused = o.add.flatMap((local) => {
        const why = add(local, present);
        return why === null ? [] : [{ local, why }];
      });
      if (refused.length > 0 && refused.length === o.add.length) throw refused[0]!.why;
      return refused;
    } finally {
      if (needsStandIn) remove(STAND_IN);
    }
  } catch (thrown) {
    if (thrown instanceof TtunError && thrown.kind === "privilege") {
      throw notAllowed(device, o, thrown);
    }
    if (!(thrown instanceof NativeError)) throw thrown;
    throw new TtunError("system", `Cannot configure ${device}: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

/** Names all commands at once: each attempt without root would come to the next one only. */
function notAllowed(
  device: string,
  { remove, add }: { readonly remove: readonly Cidr[]; readonly add: readonly Cidr[] },
  cause: TtunError,
): TtunError {
  const wanted = add.length === 0 ? "none" : add.map(formatCidr).join(" and ");
  const commands = [
    ...remove.map((cidr) => `sudo ip address del ${formatCidr(cidr)} dev ${device}`),
    ...add.map((cidr) => `sudo ip address add ${formatCidr(cidr)} dev ${device}`),
  ].join(" && ");
  return new TtunError(
    "privilege",
    `Cannot change the addresses of ${device} to ${wanted}, which the server gives: no privilege ` +
      `for it; do it once as root: ${commands}`,
    { cause },
  );
}

function removeIfThere(netlink: Netlink, index: number, local: Cidr): void {
  try {
    netlink.removeAddress(index, { local });
  } catch (error) {
    if (!(error instanceof NativeError && error.is("EADDRNOTAVAIL"))) throw error;
  }
}

/** Returns null if the device has the address afterwards, otherwise the reason. */
export function addAddress(
  netlink: Netlink,
  device: string,
  index: number,
  address: LinkAddress,
  present: LinkAddress[],
  mtu: number,
  undo: ((netlink: Netlink) => void)[],
): TtunError | null {
  const text = addressText(address);
  if (present.some((there) => addressText(there) === text)) return null;
  const refusal = refuseForMtu(device, address, mtu);
  if (refusal !== null) return refusal;
  try {
    netlink.addAddress(index, address);
    undo.push((again) => again.removeAddress(index, address));
    return null;
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    if (error.is("EEXIST")) return otherPrefix(device, address, present, error);
    if (address.local.family === 6 && error.is("EACCES", "EOPNOTSUPP", "EAFNOSUPPORT")) {
      return ipv6IsOff(error, `give ${device} the address ${text}`);
    }
    return translate(
      error,
      device,
      `give ${device} the address ${text}`,
      `ip address add ${text} dev ${device}`,
    );
  }
}

function ipv6IsOff(cause: NativeError, doing: string): TtunError {
  return new TtunError(
    "system",
    `Cannot ${doing}: IPv6 is switched off in this kernel; switch it on: ` +
      "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 " +
      "(if that is refused, boot without ipv6.disable=1), or name IPv4 addresses only, with --address",
    { cause },
  );
}

/** IPv6 accepts an address only once, whatever its prefix. */
function otherPrefix(
  device: string,
  address: LinkAddress,
  present: LinkAddress[],
  cause: NativeError,
): TtunError | null {
  const bare = formatIp(address.local.bytes);
  const other = present.find(({ local }) => formatIp(local.bytes) === bare);
  if (other === undefined) return null; // it was added just now
  const text = addressText(other);
  return new TtunError(
    "in_use",
    `Cannot give ${device} the address ${addressText(address)}: it has it as ${text}; ` +
      `take that away: sudo ip address del ${text} dev ${device}`,
    { cause },
  );
}

/** `family`: 6 for IPv6. @throws {TtunError} with the command that does the same as root */
export function attempt(
  device: string,
  doing: string,
  command: string,
  run: () => void,
  family: 4 | 6 = 4,
): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    if (family === 6 && error.is("EACCES")) throw ipv6IsOff(error, doing);
    throw translate(error, device, doing, command);
  }
}

function translate(error: NativeError, device: string, doing: string, command: string): TtunError {
  const options = { cause: error };
  if (error.is("EADDRNOTAVAIL")) {
    return new TtunError("usage", `Cannot ${doing}: it is not the address of a host`, options);
  }
  if (error.is("EPERM", "EACCES")) {
    return new TtunError(
      "privilege",
      `Cannot ${doing}: no privilege for it; do it once as root: sudo ${command}`,
      options,
    );
  }
  if (error.is("EEXIST")) {
    return new TtunError(
      "in_use",
      `Cannot ${doing}: it is there already, by another way than ${device}; take that away ` +
        "(ip route show), or name a part of the network, which comes before the whole",
      options,
    );
  }
  if (error.is("EINVAL")) {
    return new TtunError("usage", `Cannot ${doing}: the kernel does not take that value`, options);
  }
  return new TtunError("system", `Cannot ${doing}: ${error.message}`, options);
}

/** Ignores failures: what is gone (such as the device) needs no undoing. */
function runUndo(libc: Libc, undo: ((netlink: Netlink) => void)[]): void {
  using netlink = new Netlink(libc);
  for (const step of undo.splice(0).reverse()) {
    try {
      step(netlink);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
    }
  }
}
