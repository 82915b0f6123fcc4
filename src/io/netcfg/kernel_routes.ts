import { type Cidr, formatIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { RouteTable, TableRoute } from "../../contract/routing.ts";
import { NativeError } from "../../../ffi/errno.ts";
import type { Libc } from "../../../ffi/libc.ts";
import { Netlink } from "../../../ffi/netlink.ts";
import type { NewRoute, Route } from "../../../ffi/netlink_route.ts";

/**
 * RTPROT of routes to a server's address: one that nobody else uses (rtnetlink.h, rt_protos), so
 * that a leftover of a program that was killed is known as such.
 */
export const SERVER_ROUTE_PROTOCOL = 116;

/** Before all other routes to the same address; IPv4 has 0 for that, which IPv6 takes for 1024. */
const FIRST_METRIC_V6 = 1;

interface KernelRoute extends TableRoute {
  readonly route: Route;
}

/** Linux's main table, over netlink. Each call has a socket of its own. */
export class KernelRoutes implements RouteTable {
  readonly #libc: Libc;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  routes(): KernelRoute[] {
    using netlink = new Netlink(this.#libc);
    return netlink.routes().map((route) => ({
      to: route.to,
      index: route.index,
      metric: route.metric,
      isDead: route.isDead,
      isForServer: route.protocol === SERVER_ROUTE_PROTOCOL,
      hop: hopText(route),
      route,
    }));
  }

  isLocal(address: Uint8Array): boolean {
    using netlink = new Netlink(this.#libc);
    return netlink.lookup(address)?.isLocal === true;
  }

  isTunnel(index: number): boolean {
    using netlink = new Netlink(this.#libc);
    return netlink.link(index).isTunnel;
  }

  addHost(address: Uint8Array, by: KernelRoute): void {
    using netlink = new Netlink(this.#libc);
    const host: Cidr = {
      family: address.length === 4 ? 4 : 6,
      bytes: address,
      prefix: address.length * 8,
    };
    const route: NewRoute = {
      to: host,
      index: by.index,
      gateway: by.route.gateway,
      via: by.route.via,
      onLink: by.route.onLink,
      source: by.route.source,
      protocol: SERVER_ROUTE_PROTOCOL,
      ...(host.family === 6 && { metric: FIRST_METRIC_V6 }),
    };
    try {
      netlink.addRoute(route, "before");
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      if (error.is("EEXIST")) return; // the very same one
      throw refused(error, formatIp(address), by, netlink.link(by.index).name);
    }
  }

  removeHost({ route }: KernelRoute): void {
    using netlink = new Netlink(this.#libc);
    try {
      netlink.removeRoute(route);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      if (error.is("ESRCH", "ENODEV")) return;
      throw new TtunError(
        "system",
        `Cannot take away the route to ${formatIp(route.to.bytes)}: ${error.message}`,
        { cause: error },
      );
    }
  }
}

/** The way behind the link, for comparison. */
export function hopText({ index, gateway, via, source }: Route): string {
  const text = (bytes: Uint8Array | undefined) => bytes === undefined ? "" : toHex(bytes);
  return [index, text(gateway), text(via), text(source)].join(" ");
}

function refused(error: NativeError, host: string, { route }: KernelRoute, link: string) {
  const via = route.gateway === undefined ? "" : ` via ${formatIp(route.gateway)}`;
  const why = error.is("EPERM", "EACCES")
    ? `no privilege for it; run ttun with sudo, or do it as root: sudo ip route add ${host}${via} dev ${link}`
    : error.message;
  return new TtunError(
    error.is("EPERM", "EACCES") ? "privilege" : "system",
    `Cannot keep the way to the server ${host} out of the tunnel, whose routes cover it: ${why}`,
    { cause: error },
  );
}
