import type { Cidr } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";
import type { TableRoute } from "../../contract/routing.ts";

/** Picks the kernel's route: alive, longest prefix, lowest metric, first. Null = none. */
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

/** The way of packets of the tunnel's own connection past the tunnel. */
export type ServerWay =
  /** No route of the tunnel takes them. */
  | { readonly kind: "free" }
  /** They need a route of their own, with the way of `by`. */
  | { readonly kind: "covered"; readonly by: TableRoute }
  /** There is no way but through the tunnel: its route `into`. */
  | { readonly kind: "none"; readonly into: Cidr };

/** Compares ways. `routes` excludes the tunnel's own, and those made after earlier answers. */
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
