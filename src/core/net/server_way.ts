import type { Cidr } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";
import type { TableRoute } from "../../contract/routing.ts";

/**
 * The route that the kernel takes to the address (4 or 16 bytes): of those that are alive and have
 * it the longest prefix, then the lowest metric, then the first. null where there is none.
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

/** How packets of the tunnel's own connection are to get past the tunnel. */
export type ServerWay =
  /** Nothing needs doing: no route of the tunnel takes them. */
  | { readonly kind: "free" }
  /** A route of the tunnel would take them: they need one of their own, with the way of `by`. */
  | { readonly kind: "covered"; readonly by: TableRoute }
  /** There is no way but through the tunnel: its route `into`. */
  | { readonly kind: "none"; readonly into: Cidr };

/**
 * Compares the ways to a server's address: `routes` without those of the tunnel and without what an
 * earlier answer has brought about, `tunnel` the networks that go into the tunnel.
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
