import { type Cidr, formatCidr } from "../../base/addr.ts";
import type { EndStatus, RouteStatus } from "../../core/status/report.ts";
import type { Tunnel } from "./tunnel.ts";

/** Tells changes of this machine by a tunnel, beside its device. `routes`: those of options. */
export function networkStatus(
  routes: readonly Cidr[],
  { gateway, nat, pushedRoutes, dns }: Pick<Tunnel, "gateway" | "nat" | "pushedRoutes" | "dns">,
): EndStatus {
  const by = (who: RouteStatus["by"]) => (to: Cidr) => ({ to: formatCidr(to), by: who });
  const all = [...routes.map(by("option")), ...(pushedRoutes?.present ?? []).map(by("server"))];
  const names = dns?.status ?? null;
  return {
    ...(all.length > 0 && { routes: all }),
    ...gateway?.status,
    ...(nat !== null && { nat: nat.uplinks }),
    ...(names !== null && { dns: names }),
  };
}
