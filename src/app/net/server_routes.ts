import { type Cidr, formatCidr, formatIp, ipBytes } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RouteTable, TableRoute } from "../../contract/routing.ts";
import { RepairLimit } from "../../core/net/repair_limit.ts";
import { bestRoute, serverWay } from "../../core/net/server_way.ts";

interface DialledHost {
  readonly address: Uint8Array;
  /** Next hop of the added route; null if none is needed. */
  hop: string | null;
  /** Words of the log; "" if there is a path now. */
  failure: string;
}

/**
 * Keeps the server's addresses out of the tunnel: one that the tunnel's networks cover gets a host
 * route with the next hop of the system. Dispose removes these routes.
 */
export class ServerRoutes implements Disposable {
  readonly #table: RouteTable;
  readonly #tunnel: number;
  readonly #log: Logger;
  #networks: readonly Cidr[] = [];
  readonly #now: () => number;
  readonly #hosts = new Map<string, DialledHost>();
  /** Another program may remove routes that it does not know. */
  readonly #limit = new RepairLimit();

  /** `tunnel`: interface index. `now`: monotonic milliseconds. */
  constructor(table: RouteTable, o: { tunnel: number; log: Logger; now: () => number }) {
    this.#table = table;
    this.#tunnel = o.tunnel;
    this.#log = o.log;
    this.#now = o.now;
  }

  /** Call it before they are routed; networks that the table sends there are included anyway. */
  setNetworks(networks: readonly Cidr[]): void {
    this.#networks = networks;
    this.refresh();
  }

  /** `address`: 4 or 16 bytes. */
  has(address: Uint8Array): boolean {
    return this.#hosts.has(formatIp(address));
  }

  /** @throws {TtunError} unreachable, privilege, system */
  open(host: string): void {
    const address = host.includes("%") ? null : ipBytes(host);
    if (address === null) return; // an address with a zone is on the link itself
    const known = this.#hosts.get(host) ?? { address: address.slice(), hop: null, failure: "" };
    this.#hosts.set(host, known);
    this.#limit.resume();
    this.#update(host);
  }

  keepOnly(hosts: readonly string[]): void {
    for (const host of this.#hosts.keys()) if (!hosts.includes(host)) this.#forget(host);
  }

  /** Call it after changes of the table. A failure is logged once for as long as it lasts. */
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

  /** Removes a leftover route that contradicts the routing table. */
  #dropStale(host: string, own: TableRoute[], best: TableRoute | null): void {
    // Another tunnel's program is running and needs this route.
    if (own.length === 0 || best === null || this.#table.isTunnel(best.index)) return;
    if (own.some(({ hop }) => hop === best.hop)) return;
    this.#remove(own);
    this.#log.info("took away a route to the server that an earlier run had left", {
      server: host,
    });
  }

  /** `own`: host routes to this address added by ttun; `tunnel`: the tunnel's networks. */
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
        this.#log.warn(toTtunError(error).message); // the shutdown continues
      }
    }
  }
}
