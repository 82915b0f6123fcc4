import { type Cidr, formatCidr, formatIp, networkOf } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { covers } from "../../base/prefix.ts";
import { isAcceptable } from "../link/v2/addresses.ts";

/** Most leases remembered; beyond that the oldest unused ones are forgotten. */
const MOST_LEASES = 4096;

/** Time in milliseconds since its last use in which asking for an address gets nobody another's. */
export const KEPT_FOR_MS = 24 * 3600 * 1000;

/** Time in milliseconds that a released address rests: packets for its last holder may come. */
export const QUARANTINE_MS = 5 * 60 * 1000;

/** Most resting addresses; beyond that the one that has rested longest is free again. */
const MOST_RESTING = 4096;

export interface LeaseClaim {
  /** Identity, unique among clients of all keys; text without spaces. */
  readonly owner: string;
  /** Name of the client's key; "" where there is one key alone. */
  readonly key: string;
  /** The client will return under this identity, even to a restarted server. */
  readonly isKept: boolean;
  /** Name for logs; "" = none. */
  readonly name: string;
  readonly wishes: readonly Cidr[];
}

/** The addresses that a client has, or had last. */
export interface Lease {
  readonly owner: string;
  /** Name of the client's key, as a claim has it. */
  readonly key: string;
  readonly isKept: boolean;
  readonly name: string;
  /** Time of the last lease or release, in milliseconds since 1970. */
  readonly usedAt: number;
  /** The client has at most one address of each network of the pool. */
  readonly addresses: readonly Cidr[];
}

interface HeldLease {
  owner: string;
  key: string;
  isKept: boolean;
  name: string;
  usedAt: number;
  isLive: boolean;
  /** One address for each network, in the pool's order; null if it was lost or never given. */
  given: (Cidr | null)[];
}

/** Addresses that clients of one key alone may have, by the key's name. */
export type ReservedAddresses = ReadonlyMap<string, readonly Cidr[]>;

/**
 * Gives clients one address from each network: the one that is reserved for their key, else those
 * that they ask for if free, else their last ones unless another client needed them. A client of
 * one key does not get what those of another are to have again while its own key, or one with more,
 * can give something up.
 */
export class AddressPool {
  readonly #networks: readonly PoolNetwork[];
  readonly #clients: number;
  /** Leases by owner, the most recently used last. */
  readonly #leases = new Map<string, HeldLease>();
  #live = 0;

  /**
   * `taken`: the server's own addresses. `remembered`: earlier leases, the oldest first; those that
   * do not fit are left out. @throws {TtunError} usage, if a network is too small
   */
  constructor(
    networks: readonly Cidr[],
    taken: readonly Cidr[],
    clients: number,
    remembered: readonly Lease[] = [],
    reserved: ReservedAddresses = new Map(),
  ) {
    this.#networks = networks.map((network) => new PoolNetwork(network, taken, clients));
    this.#clients = clients;
    this.reserve(reserved);
    for (const lease of remembered.slice(-MOST_LEASES)) this.#remember(lease);
  }

  /** Reserves these addresses alone. Clients keep what they have until they come again. */
  reserve(reserved: ReservedAddresses): void {
    for (const network of this.#networks) network.reserve(reserved);
  }

  #remember({ owner, key, isKept, name, usedAt, addresses }: Lease): void {
    if (this.#leases.has(owner)) return;
    const lease: HeldLease = { owner, key, isKept, name, usedAt, isLive: false, given: [] };
    lease.given = this.#networks.map((network) =>
      addresses.map((address) => network.hostAt(address))
        .find((host) =>
          host !== null && !network.isReserved(host, key) && network.take(host, lease)
        ) ?? null
    );
    if (lease.given.some((address) => address !== null)) this.#leases.set(owner, lease);
  }

  /** Returns null if none are left or the client has some. `now`: milliseconds since 1970. */
  lease(claim: LeaseClaim, now: number): Lease | null {
    const before = this.#leases.get(claim.owner);
    if (this.#live === this.#clients || before?.isLive === true) return null;
    const { owner, key, isKept, name } = claim;
    const lease: HeldLease = before ??
      { owner, key, isKept, name, usedAt: now, isLive: true, given: [] };
    Object.assign(lease, { isKept, name });
    lease.usedAt = now;
    lease.isLive = true;
    this.#live++;
    if (before === undefined && this.#leases.size >= MOST_LEASES) this.#forgetForAnother(key);
    this.#moveToEnd(lease);
    lease.given = this.#networks.map((network, i) => this.#hostFor(network, i, lease, claim, now));
    if (!lease.given.includes(null)) return viewOf(lease);
    this.release(lease, now);
    this.#forget(lease);
    return null;
  }

  /**
   * Takes what is reserved, else a free wish, else the last address, else the lowest unused, else the
   * longest unused; null if all others are in use.
   */
  #hostFor(
    network: PoolNetwork,
    i: number,
    lease: HeldLease,
    { wishes }: LeaseClaim,
    now: number,
  ): Cidr | null {
    const reserved = network.reservedFor(lease.key);
    const holder = reserved === undefined ? undefined : network.holderOf(reserved);
    if (reserved !== undefined && holder === lease) return reserved;
    if (reserved !== undefined && holder?.isLive !== true) {
      this.#lose(lease, network, i);
      if (holder !== undefined) this.#lose(holder, network, i);
      network.take(reserved, lease);
      return reserved;
    }
    const last = lease.given[i] ?? null;
    if (last !== null && network.isReserved(last, lease.key)) this.#lose(lease, network, i);
    const had = lease.given[i] ?? null;
    for (const wish of wishes) {
      const host = network.hostAt(wish);
      const holder = host === null ? undefined : network.holderOf(host);
      if (host === null || network.isReserved(host, lease.key)) continue;
      if (network.rests(host, now) || !isFree(holder, lease, now)) continue;
      if (had !== null) network.give(had, now + QUARANTINE_MS);
      if (holder !== undefined) this.#lose(holder, network, i);
      network.take(host, lease);
      return host;
    }
    if (had !== null) return had;
    for (;;) {
      const host = network.takeFirst(lease, now);
      if (host !== null) return host;
      const before = now - QUARANTINE_MS;
      if (this.#forgetOldest("", before) || this.#forgetOldest(lease.key, before)) continue;
      const rested = network.takeResting(lease);
      if (rested !== null) return rested;
      if (!this.#forgetForAnother(lease.key)) return null;
    }
  }

  #lose(holder: HeldLease, network: PoolNetwork, i: number): void {
    const host = holder.given[i] ?? null;
    if (host !== null) network.give(host, holder.usedAt + QUARANTINE_MS);
    holder.given[i] = null;
  }

  /**
   * Forgets a lease without a key, which is from before there were several, else one of this key,
   * else of the key with most of them; false if there is none.
   */
  #forgetForAnother(key: string): boolean {
    const counts = new Map<string, number>();
    for (const { key } of this.#leases.values()) counts.set(key, (counts.get(key) ?? 0) + 1);
    const others = [...counts].sort(([, a], [, b]) => b - a).map(([key]) => key);
    return ["", key, ...others].some((one) => this.#forgetOldest(one));
  }

  /**
   * Forgets a lease of this key last used at `before` or earlier, preferably one that no client
   * returns to; false if there is none.
   */
  #forgetOldest(key: string, before = Infinity): boolean {
    let lease: HeldLease | null = null;
    for (const one of this.#leases.values()) {
      if (one.key !== key || one.isLive || one.usedAt > before || (lease !== null && one.isKept)) {
        continue;
      }
      lease = one;
      if (!one.isKept) break;
    }
    if (lease === null) return false;
    this.#forget(lease);
    return true;
  }

  #forget(lease: HeldLease): void {
    this.#networks.forEach((network, i) => this.#lose(lease, network, i));
    this.#leases.delete(lease.owner);
  }

  #moveToEnd(lease: HeldLease): void {
    this.#leases.delete(lease.owner);
    this.#leases.set(lease.owner, lease);
  }

  /** Releases the addresses; the lease is remembered. */
  release({ owner }: Pick<Lease, "owner">, now: number): void {
    const lease = this.#leases.get(owner);
    if (lease?.isLive !== true) return;
    lease.isLive = false;
    lease.usedAt = now;
    this.#live--;
    this.#moveToEnd(lease);
  }

  /** Returns leases of clients that return to a restarted server, the longest unused first. */
  kept(): Lease[] {
    return [...this.#leases.values()].filter(({ isKept }) => isKept).map(viewOf);
  }
}

function viewOf({ owner, key, isKept, name, usedAt, given }: HeldLease): Lease {
  const addresses = given.filter((address) => address !== null);
  return { owner, key, isKept, name, usedAt, addresses };
}

function isFree(holder: HeldLease | undefined, by: HeldLease, now: number): boolean {
  if (holder === undefined || holder === by) return true;
  if (holder.isLive) return false;
  // A lease without a key's name is from before there were several keys.
  if (holder.isKept && holder.key !== by.key && holder.key !== "" && by.key !== "") return false;
  return now - holder.usedAt > (holder.isKept ? KEPT_FOR_MS : QUARANTINE_MS);
}

class PoolNetwork {
  readonly #network: Cidr;
  /** Offset of the last usable address. The last four bytes distinguish all of them. */
  readonly #last: number;
  readonly #own: ReadonlySet<string>;
  /** Leases by the text of their address. */
  readonly #holders = new Map<string, HeldLease>();
  /** Resting addresses and the end of their rest, in order of release. */
  readonly #resting = new Map<string, { readonly host: Cidr; readonly until: number }>();
  /** All addresses with lower offsets are taken, rest or are reserved. */
  #next = 1;
  /** Reserved addresses by the name of their key, and these names by the text of the address. */
  #reserved: ReadonlyMap<string, Cidr> = new Map();
  #keys: ReadonlyMap<string, string> = new Map();

  /** @throws {TtunError} usage, if the network has too few addresses */
  constructor(network: Cidr, taken: readonly Cidr[], clients: number) {
    this.#network = networkOf(network);
    this.#last = lastOffset(this.#network);
    this.#own = new Set(taken.map(({ bytes }) => formatIp(bytes)));
    hosts(this.#network, taken, clients);
  }

  /** Returns the address with the network's prefix; null if no client may have it. */
  hostAt({ bytes }: Cidr): Cidr | null {
    const host: Cidr = { ...this.#network, bytes };
    const isInside = covers(this.#network, bytes) && isAcceptable(host);
    if (!isInside || this.#own.has(formatIp(bytes))) return null;
    const offset = offsetOf(bytes, this.#network.bytes);
    // The first is the network's own (IPv6: the routers' anycast), the last of IPv4 is for
    // broadcast.
    return offset === 0 || offset > this.#last ? null : host;
  }

  reserve(reserved: ReservedAddresses): void {
    const own = [...reserved].flatMap(([key, addresses]) =>
      addresses.map((address) => this.hostAt(address)).filter((host) => host !== null)
        .map((host) => [key, host] as const)
    );
    this.#reserved = new Map(own);
    this.#keys = new Map(own.map(([key, host]) => [formatIp(host.bytes), key]));
    this.#next = 1;
  }

  reservedFor(key: string): Cidr | undefined {
    return this.#reserved.get(key);
  }

  /** Returns true if it is for clients of another key. */
  isReserved({ bytes }: Cidr, key: string): boolean {
    const owner = this.#keys.get(formatIp(bytes));
    return owner !== undefined && owner !== key;
  }

  holderOf({ bytes }: Cidr): HeldLease | undefined {
    return this.#holders.get(formatIp(bytes));
  }

  /** Returns true while a released address goes to nobody on request. */
  rests({ bytes }: Cidr, now: number): boolean {
    const resting = this.#resting.get(formatIp(bytes));
    return resting !== undefined && resting.until > now;
  }

  /** Gives the address to the lease; returns false if it has a holder. */
  take(host: Cidr, lease: HeldLease): boolean {
    const key = formatIp(host.bytes);
    if (this.#holders.has(key)) return false;
    this.#holders.set(key, lease);
    this.#resting.delete(key);
    return true;
  }

  /** Takes the lowest address without a holder that does not rest; null = none. */
  takeFirst(lease: HeldLease, now: number): Cidr | null {
    this.#wake(now);
    for (; this.#next <= this.#last; this.#next++) {
      const host = this.hostAt({ ...this.#network, bytes: plus(this.#network.bytes, this.#next) });
      if (host === null || this.#resting.has(formatIp(host.bytes))) continue;
      if (this.#keys.has(formatIp(host.bytes))) continue;
      if (this.take(host, lease)) return host;
    }
    return null;
  }

  /** Takes the address that has rested longest; null = none rests. */
  takeResting(lease: HeldLease): Cidr | null {
    for (const [key, { host }] of this.#resting) {
      if (this.#keys.has(key)) continue;
      this.take(host, lease);
      return host;
    }
    return null;
  }

  #wake(now: number): void {
    for (const [key, { host, until }] of this.#resting) {
      if (until > now) continue;
      this.#resting.delete(key);
      this.#next = Math.min(this.#next, offsetOf(host.bytes, this.#network.bytes));
    }
  }

  give(host: Cidr, until: number): void {
    const key = formatIp(host.bytes);
    this.#holders.delete(key);
    this.#resting.set(key, { host, until });
    if (this.#resting.size <= MOST_RESTING) return;
    for (const [oldest, { host }] of this.#resting) {
      this.#resting.delete(oldest);
      this.#next = Math.min(this.#next, offsetOf(host.bytes, this.#network.bytes));
      return;
    }
  }
}

/** Returns the server's own address unless the user names one: the network's first. */
export function firstHost(network: Cidr): Cidr {
  return hosts(network, [], 1)[0]!;
}

/**
 * Returns how many clients these networks serve besides `taken`, at most `most`; at least 1, so
 * that a network that is too small is refused where it is used.
 */
export function clientsIn(networks: readonly Cidr[], taken: readonly Cidr[], most: number): number {
  const rooms = networks.map((network) => {
    const own = taken.filter(({ bytes }) => covers(network, bytes));
    return lastOffset(network) - new Set(own.map(({ bytes }) => formatIp(bytes))).size;
  });
  return Math.max(1, Math.min(most, ...rooms));
}

function lastOffset({ family, bytes, prefix }: Cidr): number {
  const bits = bytes.length * 8 - prefix;
  return (bits > 30 ? 2 ** 30 : 2 ** bits) - (family === 4 ? 2 : 1);
}

/** Returns the first `count` usable addresses, without those taken. */
function hosts(network: Cidr, taken: readonly Cidr[], count: number): Cidr[] {
  const { family, bytes, prefix } = networkOf(network);
  const last = lastOffset({ family, bytes, prefix });
  const used = new Set(taken.map((cidr) => formatCidr({ ...cidr, prefix })));
  const found: Cidr[] = [];
  for (let i = 1; i <= last && found.length < count; i++) {
    const host: Cidr = { family, bytes: plus(bytes, i), prefix };
    if (!isAcceptable(host)) {
      throw new TtunError(
        "usage",
        `Cannot give clients addresses of ${formatCidr(network)}: no client takes such a one; ` +
          "give a --pool as 10.9.0.0/24 or fd00:9::/64",
      );
    }
    if (!used.has(formatCidr(host))) found.push(host);
  }
  if (found.length < count) {
    throw new TtunError(
      "usage",
      `Cannot give ${count} clients addresses of ${formatCidr(network)}: it has only ` +
        `${found.length}; give a larger --pool or fewer --clients`,
    );
  }
  return found;
}

function plus(bytes: Uint8Array, n: number): Uint8Array {
  const sum = bytes.slice();
  for (let i = sum.length - 1, rest = n; rest > 0 && i >= 0; i--) {
    const value = sum[i]! + rest % 256;
    sum[i] = value;
    rest = Math.floor(rest / 256) + (value > 255 ? 1 : 0);
  }
  return sum;
}

/** Returns the distance from the network's own address; not exact above 2^53. */
function offsetOf(bytes: Uint8Array, network: Uint8Array): number {
  let offset = 0;
  for (let i = 0; i < bytes.length; i++) offset = 256 * offset + bytes[i]! - network[i]!;
  return offset;
}
