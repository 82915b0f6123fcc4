import type { Cidr } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";
import type { TableRoute } from "../../contract/routing.ts";

/**
 * The kernel's choice (4 or 16 bytes) of living routes: prefix, then metric, then order. Null =
 * none.
 */
export function bestRoute(
  routes: readonly TableRoute[],
  address: Uint8Array,
): TableRoute | null {
  let best: TableRoute | null = null;
  for (const route of routes) {
    if (route.isDead || !covers(route.to, address)) continue;
    const longer = best === null ? 1 : route.to.prefix - best.to.prefix;
    if (longer > 0 || (longer === 0 && route.metric < best!.metric)) best = route;
  }
  return best;
}

/** For packets of the tunnel's own connection to get past it. */
export type ServerWay =
  /** No route of the tunnel takes them. */
  | { readonly kind: "free" }
  /** They need a route of their own, with the way of `by`. */
  | { readonly kind: "covered"; readonly by: TableRoute }
  /** There is no way but through the tunnel: its route `into`. */
  | { readonly kind: "none"; readonly into: Cidr };

/**
 * `routes`: without the tunnel's and those of earlier answers. `tunnel`: networks that go into it.
 */
export function serverWay(
  routes: readonly TableRoute[],
  tunnel: readonly Cidr[],
  address: Uint8Array,
): ServerWay {
  let into: Cidr | null = null;
  for (const network of tunnel) {
    if (covers(network, address) && network.prefix >= (into?.prefix ?? 0)) into = network;
  }
  if (into === null) return { kind: "free" };
  const by = bestRoute(routes, address);
  if (by === null) return { kind: "none", into };
  return by.to.prefix > into.prefix ? { kind: "free" } : { kind: "covered", by };
}
