import { type Cidr, formatCidr, formatIp, ipBytes } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RouteTable, TableRoute } from "../../contract/routing.ts";
import { RepairLimit } from "../../core/net/repair_limit.ts";
import { bestRoute, serverWay } from "../../core/net/server_way.ts";

/** An address that has been dialled. */
interface DialledHost {
  readonly address: Uint8Array;
  /** The way of the route that was made for it; null where it needs none. */
  hop: string | null;
  /** Why it has no way now, as it was told; "" where it has one. */
  failure: string;
}

/**
 * Keeps the addresses of a server out of the tunnel that leads to it: where a network of the tunnel
 * covers one, that gets a route of its own by the way that the system has for it without the tunnel.
 * Dispose takes these routes away again.
 */
export class ServerRoutes implements Disposable {
  readonly #table: RouteTable;
  readonly #tunnel: number;
  readonly #log: Logger;
  #networks: readonly Cidr[] = [];
  readonly #now: () => number;
  readonly #hosts = new Map<string, DialledHost>();
  /** Another program may take away what it does not know. */
  readonly #limit = new RepairLimit();

  /** `tunnel`: the index of its link. `now`: monotonic milliseconds. */
  constructor(table: RouteTable, o: { tunnel: number; log: Logger; now: () => number }) {
    this.#table = table;
    this.#tunnel = o.tunnel;
    this.#log = o.log;
    this.#now = o.now;
  }

  /**
   * Networks that go into the tunnel very soon, if not already: call it before they do. Those that the
   * table sends there, as by an --up command, count without.
   */
  setNetworks(networks: readonly Cidr[]): void {
    this.#networks = networks;
    this.refresh();
  }

  /** True when this address (4 or 16 bytes) has been dialled. */
  has(address: Uint8Array): boolean {
    return this.#hosts.has(formatIp(address));
  }

  /** @throws {TtunError} unreachable, privilege, system */
  open(host: string): void {
    const address = host.includes("%") ? null : ipBytes(host);
    if (address === null) return; // with a zone: on the link itself
    const known = this.#hosts.get(host) ?? { address: address.slice(), hop: null, failure: "" };
    this.#hosts.set(host, known);
    this.#limit.resume();
    this.#update(host);
  }

  /** Forgets the addresses that are not among these. */
  keepOnly(hosts: readonly string[]): void {
    for (const host of this.#hosts.keys()) if (!hosts.includes(host)) this.#forget(host);
  }

  /**
   * The table has changed: the ways are compared again. A failure is told in the log, once for as
   * long as it stays: without an uplink the table may change many times.
   */
  refresh(): void {
    for (const [host, known] of this.#hosts) {
      let failure = "";
      try {
        this.#update(host);
      } catch (error) {
        failure = toTtunError(error).message;
        if (failure !== known.failure) this.#log.warn(failure);
      }
      known.failure = failure;
    }
  }

  #update(host: string): void {
    const known = this.#hosts.get(host)!;
    const { address } = known;
    if (this.#table.isLocal(address)) return;
    const { own, others, tunnel } = this.#split(address);
    const way = serverWay(others, [...this.#networks, ...tunnel], address);
    if (way.kind === "free") {
      if (known.hop !== null) this.#remove(own);
      else this.#dropStale(host, own, bestRoute(others, address));
      known.hop = null;
    } else if (way.kind === "covered") {
      const { by } = way;
      const isNew = own.every(({ hop }) => hop !== by.hop);
      if (isNew && known.hop === by.hop && !this.#mayRepeat(host)) return;
      if (isNew) this.#table.addHost(address, by);
      known.hop = by.hop;
      this.#remove(own.filter(({ hop }) => hop !== by.hop));
      if (isNew) this.#log.info("the server is reached beside the tunnel", { server: host });
    } else if (own.length === 0) {
      throw new TtunError(
        "unreachable",
        `Cannot reach the server ${host}: the tunnel's own network ${formatCidr(way.into)} ` +
          "covers it, and this machine has no other way there now",
      );
    }
  }

  #mayRepeat(host: string): boolean {
    const { repair, leave } = this.#limit.next([host], this.#now());
    if (leave.length > 0) {
      this.#log.warn(
        "another program takes away the route to the server again and again: it is left so, and " +
          "the tunnel's own packets may go into the tunnel",
        { server: host },
      );
    }
    return repair.length > 0;
  }

  /** A leftover that leads elsewhere than the table says now would hinder. */
  #dropStale(host: string, own: TableRoute[], best: TableRoute | null): void {
    // Where a tunnel would take it, that tunnel's program is there and wants this route.
    if (own.length === 0 || best === null || this.#table.isTunnel(best.index)) return;
    if (own.some(({ hop }) => hop === best.hop)) return;
    this.#remove(own);
    this.#log.info("took away a route to the server that an earlier run had left", {
      server: host,
    });
  }

  /** Routes to this address alone that a ttun made, the tunnel's networks, and all other routes. */
  #split(address: Uint8Array): { own: TableRoute[]; others: TableRoute[]; tunnel: Cidr[] } {
    const text = formatIp(address);
    const isOwn = ({ isForServer, to }: TableRoute) =>
      isForServer && to.prefix === address.length * 8 && formatIp(to.bytes) === text;
    const own: TableRoute[] = [];
    const others: TableRoute[] = [];
    const tunnel: Cidr[] = [];
    for (const route of this.#table.routes()) {
      if (route.index === this.#tunnel) tunnel.push(route.to);
      else (isOwn(route) ? own : others).push(route);
    }
    return { own, others, tunnel };
  }

  #remove(routes: readonly TableRoute[]): void {
    for (const route of routes) this.#table.removeHost(route);
  }

  #forget(host: string): void {
    const known = this.#hosts.get(host)!;
    this.#hosts.delete(host);
    if (known.hop !== null) this.#remove(this.#split(known.address).own);
  }

  [Symbol.dispose](): void {
    for (const host of [...this.#hosts.keys()]) {
      try {
        this.#forget(host);
      } catch (error) {
        this.#log.warn(toTtunError(error).message); // the end goes on
      }
    }
  }
}
