import { type Cidr, formatCidr, formatIp, ipBytes } from "../base/addr.ts";
import { toTtunError, TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { RouteTable, TableRoute } from "../contract/routing.ts";
import { bestRoute, serverWay } from "../core/net/server_way.ts";

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
  /** Addresses that have been dialled, and whether this one made their routes. */
  readonly #hosts = new Map<string, { readonly address: Uint8Array; isOurs: boolean }>();

  /** `tunnel`: the index of its link. */
  constructor(table: RouteTable, tunnel: number, log: Logger) {
    this.#table = table;
    this.#tunnel = tunnel;
    this.#log = log;
  }

  /** The networks that go into the tunnel, from now on or very soon: call it before they do. */
  setNetworks(networks: readonly Cidr[]): void {
    this.#networks = networks;
    this.refresh();
  }

  /** @throws {TtunError} unreachable, privilege, system */
  open(host: string): void {
    const address = ipBytes(host);
    if (address === null) return; // a name, or an address with a zone: on the link itself
    const known = this.#hosts.get(host) ?? { address: address.slice(), isOurs: false };
    this.#hosts.set(host, known);
    this.#update(host);
  }

  /** Forgets the addresses that are not among these. */
  keepOnly(hosts: readonly string[]): void {
    for (const host of this.#hosts.keys()) if (!hosts.includes(host)) this.#forget(host);
  }

  /** The table has changed: the ways are compared again. Failures are told in the log. */
  refresh(): void {
    for (const host of this.#hosts.keys()) {
      try {
        this.#update(host);
      } catch (error) {
        this.#log.warn(toTtunError(error).message);
      }
    }
  }

  #update(host: string): void {
    const known = this.#hosts.get(host)!;
    const { address } = known;
    if (this.#networks.length === 0 && !known.isOurs) return this.#dropStale(host, address);
    if (this.#table.isLocal(address)) return;
    const { own, others } = this.#split(address);
    const way = serverWay(others, this.#networks, address);
    if (way.kind === "free") {
      if (known.isOurs) this.#remove(own);
      else this.#dropStale(host, address);
      known.isOurs = false;
    } else if (way.kind === "covered") {
      const { by } = way;
      const isNew = own.every(({ hop }) => hop !== by.hop);
      if (isNew) this.#table.addHost(address, by);
      known.isOurs = true;
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

  /** A leftover that leads elsewhere than the table says now would hinder. */
  #dropStale(host: string, address: Uint8Array): void {
    const { own, others } = this.#split(address);
    if (own.length === 0) return;
    const best = bestRoute(others, address);
    // Where a tunnel would take it, that tunnel's program is there and wants this route.
    if (best === null || this.#table.isTunnel(best.index)) return;
    if (own.some(({ hop }) => hop === best.hop)) return;
    this.#remove(own);
    this.#log.info("took away a route to the server that an earlier run had left", {
      server: host,
    });
  }

  /** Routes to this address alone that a ttun made, and all that are not the tunnel's. */
  #split(address: Uint8Array): { own: TableRoute[]; others: TableRoute[] } {
    const text = formatIp(address);
    const isOwn = ({ isForServer, to }: TableRoute) =>
      isForServer && to.prefix === address.length * 8 && formatIp(to.bytes) === text;
    const routes = this.#table.routes().filter(({ index }) => index !== this.#tunnel);
    return { own: routes.filter(isOwn), others: routes.filter((route) => !isOwn(route)) };
  }

  #remove(routes: readonly TableRoute[]): void {
    for (const route of routes) this.#table.removeHost(route);
  }

  #forget(host: string): void {
    const known = this.#hosts.get(host)!;
    this.#hosts.delete(host);
    if (known.isOurs) this.#remove(this.#split(known.address).own);
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
