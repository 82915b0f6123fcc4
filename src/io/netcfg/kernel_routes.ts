import { type Cidr, formatIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { RouteTable, TableRoute } from "../../contract/routing.ts";
import { NativeError } from "../../../ffi/native.ts";
import { TTUN_PROTOCOL } from "../changes/undo_step.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";
import type { Route } from "../../../ffi/linux/netlink_route.ts";

/** Marks routes that a killed process left behind. */
export const SERVER_ROUTE_PROTOCOL = TTUN_PROTOCOL;

/** Metric that precedes all others for IPv6. IPv4 uses 0, which IPv6 treats as 1024. */
const FIRST_METRIC_V6 = 1;

interface KernelRoute extends TableRoute {
  readonly route: Route;
}

/** Linux's main routing table. The caller keeps the ownership of the socket. */
export class KernelRoutes implements RouteTable {
  readonly #netlink: Netlink;

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  routes(): KernelRoute[] {
    const all = attempt("read the routing table", () => this.#netlink.routes());
    return all.map((route) => ({
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
    const doing = `look up the way to ${formatIp(address)}`;
    return attempt(doing, () => this.#netlink.lookup(address)?.isLocal === true);
  }

  isTunnel(index: number): boolean {
    return attempt("look at a link", () => this.#netlink.link(index).isTunnel);
  }

  addHost(address: Uint8Array, by: KernelRoute): void {
    const { index, route: { gateway, via, onLink, source } } = by;
    const to: Cidr = {
      family: address.length === 4 ? 4 : 6,
      bytes: address,
      prefix: address.length * 8,
    };
    const hop = { index, gateway, via, onLink, source };
    const metric = to.family === 6 ? FIRST_METRIC_V6 : undefined;
    const host = formatIp(address);
    const doing = `keep the way to the server ${host} out of the tunnel, whose network covers it`;
    const through = gateway === undefined ? "" : ` via ${formatIp(gateway)}`;
    attempt(doing, () => {
      try {
        this.#netlink.addRoute({ to, ...hop, metric, protocol: SERVER_ROUTE_PROTOCOL }, "before");
      } catch (error) {
        // the identical route exists
        if (error instanceof NativeError && error.is("EEXIST")) return;
        throw error;
      }
    }, () => `ip route add ${host}${through} dev ${this.#netlink.link(index).name}`);
  }

  removeHost({ route }: KernelRoute): void {
    attempt(`take away the route to ${formatIp(route.to.bytes)}`, () => {
      try {
        this.#netlink.removeRoute(route);
      } catch (error) {
        if (!(error instanceof NativeError && error.is("ESRCH", "ENODEV"))) throw error;
      }
    });
  }
}

/** `command` does it as root, for the message. @throws {TtunError} privilege, system */
function attempt<T>(doing: string, run: () => T, command?: () => string): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    const isRefused = error.is("EPERM", "EACCES");
    const advice = command === undefined ? "" : `, or do it as root: sudo ${command()}`;
    throw new TtunError(
      isRefused ? "privilege" : "system",
      `Cannot ${doing}: ` +
        (isRefused ? `no privilege for it; run ttun with sudo${advice}` : error.message),
      { cause: error },
    );
  }
}

function hopText({ index, gateway, via, source }: Route): string {
  const text = (bytes: Uint8Array | undefined) => bytes === undefined ? "" : toHex(bytes);
  return [index, text(gateway), text(via), text(source)].join(" ");
}
