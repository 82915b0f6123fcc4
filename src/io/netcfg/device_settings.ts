import { type Cidr, formatCidr, formatIp, ipBytes, networkOf } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";
import type { LinkAddress } from "../../../ffi/linux/netlink_address.ts";
import { type NewRoute, RTPROT_KERNEL } from "../../../ffi/linux/netlink_route.ts";
import { overlap } from "../../base/prefix.ts";
import { addressText } from "./local_address.ts";
import { SERVER_ROUTE_PROTOCOL } from "./kernel_routes.ts";
import { addAddress, attempt, rivalMetrics, routeFor } from "./linux.ts";

/** Gives the route preference over equal ones of other programs. */
function addBefore(netlink: Netlink, route: NewRoute): void {
  try {
    netlink.addRoute(route, "before");
  } catch (error) {
    if (!(error instanceof NativeError && error.is("EEXIST"))) throw error;
    // The kernel does not reorder routes.
    netlink.removeRoute(route);
    netlink.addRoute(route, "before");
  }
}

function removeIfThere(netlink: Netlink, route: NewRoute): void {
  try {
    netlink.removeRoute(route);
  } catch (error) {
    if (!(error instanceof NativeError && error.is("ESRCH"))) throw error;
  }
}

/** The kernel's metric for routes of IPv6 addresses (IP6_RT_PRIO_ADDRCONF). */
const ADDRESS_METRIC_V6 = 256;

/** Returns the network that the kernel routes to; null for a single address. */
function networkBehind({ local, peer }: LinkAddress): Cidr | null {
  const { bytes, prefix } = peer ?? local;
  return peer === undefined && prefix === bytes.length * 8 ? null : networkOf(peer ?? local);
}

/** The wanted settings of a device and how to restore them. Texts have the format of `ip`. */
export class DeviceSettings {
  readonly index: number;
  readonly mtu: number;
  readonly #netlink: Netlink;
  readonly #device: string;
  readonly #routes: Map<string, Cidr>;
  readonly #addresses: Map<string, LinkAddress>;

  /** The caller keeps the ownership of the socket. @throws {NativeError} ENODEV */
  constructor(
    netlink: Netlink,
    device: string,
    o: { mtu: number; addresses: readonly LinkAddress[]; routes: readonly Cidr[] },
  ) {
    this.#netlink = netlink;
    this.#device = device;
    this.mtu = o.mtu;
    this.#routes = new Map(o.routes.map(networkOf).map((route) => [formatCidr(route), route]));
    this.#addresses = new Map(o.addresses.map((address) => [addressText(address), address]));
    this.index = netlink.link(device).index;
  }

  /** An address that the device has not got cannot be set and is no longer wanted. */
  addressesChanged(o: { remove: readonly Cidr[]; add: readonly Cidr[] }): void {
    const present = new Set(this.#netlink.addresses(this.index).map(addressText));
    for (const local of o.add) this.#addresses.set(formatCidr(local), { local });
    const removed = new Set(o.remove.map(formatCidr));
    for (const [text, { local }] of this.#addresses) {
      if (!present.has(text) || removed.has(formatCidr(local))) this.#addresses.delete(text);
    }
  }

  /** Returns the errors of those that could not be changed. */
  changeRoutes(o: { remove: readonly Cidr[]; add: readonly Cidr[] }): TtunError[] {
    const failures: TtunError[] = [];
    const { index } = this;
    const change = (to: Cidr, doing: string, verb: "add" | "del", run: () => void) => {
      try {
        const command = `ip route ${verb} ${formatCidr(to)} dev ${this.#device}`;
        attempt(this.#device, `${doing} the route to ${formatCidr(to)}`, command, run, to.family);
      } catch (error) {
        if (!(error instanceof TtunError)) throw error;
        failures.push(error);
      }
    };
    for (const to of o.remove.map(networkOf)) {
      this.#routes.delete(formatCidr(to));
      change(to, "take away", "del", () => removeIfThere(this.#netlink, { index, to }));
    }
    for (const to of o.add.map(networkOf)) {
      change(to, "add", "add", () => {
        this.#netlink.addRoute({ index, to });
        this.#routes.set(formatCidr(to), to);
      });
    }
    return failures;
  }

  get wanted(): { mtu: number; addresses: string[]; routes: string[] } {
    return {
      mtu: this.mtu,
      addresses: [...this.#addresses.keys()],
      routes: [...new Set([...this.#routes.keys(), ...this.#connected().keys()])],
    };
  }

  /** Routes that the kernel adds for the addresses. */
  #connected(): Map<string, NewRoute> {
    const found = new Map<string, NewRoute>();
    for (const address of this.#addresses.values()) {
      const to = networkBehind(address);
      if (to === null || this.#routes.has(formatCidr(to))) continue;
      const kind = to.family === 4
        ? { source: address.local.bytes }
        : { metric: ADDRESS_METRIC_V6 };
      found.set(formatCidr(to), { index: this.index, to, protocol: RTPROT_KERNEL, ...kind });
    }
    return found;
  }

  /** Networks reached by the device's routes and by its addresses. */
  get networks(): Cidr[] {
    const reached = [...this.#addresses.values()].map(({ local, peer }) => peer ?? local);
    return [...this.#routes.values(), ...reached.map(networkOf)];
  }

  isOwn(host: string): boolean {
    const bytes = ipBytes(host);
    const text = bytes === null ? null : formatIp(bytes);
    return [...this.#addresses.values()].some(({ local }) => formatIp(local.bytes) === text);
  }

  hasRoute(to: Cidr): boolean {
    return this.#routes.has(formatCidr(to));
  }

  /** Returns null if the device no longer exists. */
  present(): { mtu: number; up: boolean; addresses: string[]; routes: string[] } | null {
    const netlink = this.#netlink;
    try {
      const { mtu, up } = netlink.link(this.index);
      const addresses = netlink.addresses(this.index).map(addressText);
      return { mtu, up, addresses, routes: this.#presentRoutes(up ? addresses : []) };
    } catch (error) {
      if (error instanceof NativeError && error.is("ENODEV")) return null;
      throw error;
    }
  }

  /**
   * The kernel uses the first route to a network for IPv4 (ttun's have the lowest metric), the one
   * with the lowest metric for IPv6. An address's route counts as present without the address.
   */
  #presentRoutes(addresses: readonly string[]): string[] {
    const connected = this.#connected();
    if (this.#routes.size === 0 && connected.size === 0) return [];
    const all = this.#netlink.allRoutes();
    const rivals = rivalMetrics(this.index, all);
    const present: string[] = [];
    const hidden = new Set<string>();
    for (const { to, tos, metric, index, isUnicast } of all) {
      const text = formatCidr(to);
      const isOurs = isUnicast && index === this.index;
      if (to.family === 4 && !isOurs && tos === 0 && metric === 0) hidden.add(text);
      if (!isOurs) continue;
      const isTaken = to.family === 4 ? !hidden.has(text) : metric < (rivals.get(text) ?? Infinity);
      if (isTaken || connected.has(text)) present.push(text);
    }
    const there = new Set(addresses);
    for (const [text, address] of this.#addresses) {
      const network = there.has(text) ? null : networkBehind(address);
      if (network !== null) present.push(formatCidr(network));
    }
    return present;
  }

  #rivals(): Map<string, number> {
    const hasV6 = [...this.#routes.values()].some(({ family }) => family === 6);
    return hasV6 ? rivalMetrics(this.index, this.#netlink.allRoutes()) : new Map();
  }

  /** Returns the errors of parts that failed, at most one of the routes. */
  putBack(
    what: { mtu: boolean; up: boolean; addresses: readonly string[]; routes: readonly string[] },
  ): TtunError[] {
    const device = this.#device;
    const { index, mtu } = this;
    const failures: TtunError[] = [];
    const step = (run: () => TtunError | null | void): boolean => {
      try {
        const failure = run() ?? null;
        if (failure !== null) failures.push(failure);
        return failure === null;
      } catch (error) {
        if (!(error instanceof TtunError)) throw error;
        failures.push(error);
        return false;
      }
    };
    const netlink = this.#netlink;
    if (what.mtu) {
      const command = `ip link set dev ${device} mtu ${mtu}`;
      step(() =>
        attempt(
          device,
          `set the MTU of ${device} to ${mtu}`,
          command,
          () => netlink.setLink(index, { mtu }),
        )
      );
    }
    if (what.up) {
      const command = `ip link set dev ${device} up`;
      step(() =>
        attempt(
          device,
          `bring ${device} up`,
          command,
          () => netlink.setLink(index, { up: true }),
        )
      );
    }
    const present = netlink.addresses(index);
    for (const text of what.addresses) {
      const address = this.#addresses.get(text);
      if (address === undefined) continue;
      step(() => addAddress(netlink, device, index, address, present, mtu, []));
    }
    const rivals = this.#rivals();
    const connected = this.#connected();
    for (const text of what.routes) {
      const to = this.#routes.get(text);
      const route = to === undefined ? connected.get(text) : routeFor(index, to, rivals.get(text));
      if (route === undefined) continue;
      const command = `ip route add ${text} dev ${device}`;
      const isDone = step(() =>
        attempt(
          device,
          `add the route to ${text}`,
          command,
          () => addBefore(netlink, route),
          route.to.family,
        )
      );
      if (!isDone) break; // the others would fail for the same reason
    }
    return failures;
  }

  /** The addresses that the device should have. */
  get own(): readonly Cidr[] {
    return [...this.#addresses.values()].map(({ local }) => local);
  }

  /**
   * Returns what a route to `network` would take away from another link: an overlapping network or
   * a route inside, such as `192.168.1.0/24 on eth0`; null if nothing. With `passesTunnels`, other
   * tunnel devices are ignored (one of them is the server's).
   */
  conflictOf(network: Cidr, passesTunnels: boolean): string | null {
    const netlink = this.#netlink;
    const nameOf = (index: number) => netlink.link(index).name;
    const isPassed = (index: number) =>
      index === this.index || (passesTunnels && netlink.link(index).isTunnel);
    for (const { index, local, peer } of netlink.allAddresses()) {
      const connected = networkOf(peer ?? local);
      if (isPassed(index) || !overlap(network, connected)) continue;
      return `${formatCidr(connected)} on ${nameOf(index)}`;
    }
    for (const { index, to, protocol } of netlink.routes()) {
      const isOurs = isPassed(index) || protocol === SERVER_ROUTE_PROTOCOL;
      if (isOurs || to.prefix < network.prefix || !overlap(network, to)) continue;
      return `the route to ${formatCidr(to)} by ${nameOf(index)}`;
    }
    return null;
  }

  /** Returns addresses of other links. */
  others(): { link: string; address: Cidr }[] {
    const netlink = this.#netlink;
    return netlink.allAddresses().filter(({ index }) => index !== this.index)
      .map(({ index, local }) => ({ link: netlink.link(index).name, address: local }));
  }

  /** Packets to what another link has as well use only one of the two links. */
  duplicates(): string[] {
    const netlink = this.#netlink;
    const all = netlink.allAddresses();
    const found: string[] = [];
    for (const [text, { local, peer }] of this.#addresses) {
      const network = formatCidr(networkOf(peer ?? local));
      const rival = all.find((other) =>
        other.index !== this.index &&
        (formatIp(other.local.bytes) === formatIp(local.bytes) ||
          formatCidr(networkOf(other.peer ?? other.local)) === network)
      );
      if (rival === undefined) continue;
      const { name } = netlink.link(rival.index);
      found.push(
        `${this.#device} has ${text}, and ${name} has ${addressText(rival)}: what is sent to ` +
          `${network} goes by only one of them; give one end of each tunnel another network ` +
          "with --address at both ends",
      );
    }
    return found;
  }
}
