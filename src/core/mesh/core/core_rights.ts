import { isReserved } from "../http/route.ts";
import type { CoreRequest } from "./request.ts";

/** Keys of certificates and their proofs, which gateways order. */
const OF_GATEWAYS = ["acme/", "cert/", "txt/"];

/**
 * Returns why a node may not ask this of the core, or null: one that was stolen must not change who
 * belongs to the cluster, unless it may have the core. `hasRole`: by the node's certificate.
 */
export function coreRefusal(
  request: CoreRequest,
  hasRole: (role: "core" | "gateway") => boolean,
): string | null {
  const isWrite = request.type === "put" || request.type === "delete";
  if (!isWrite || request.key.startsWith("lease/") || !isReserved(request.key)) return null;
  if (hasRole("core")) return null;
  if (!OF_GATEWAYS.some((start) => request.key.startsWith(start))) {
    return "Only a node that may have the core writes this";
  }
  return hasRole("gateway") ? null : "Only a node that may take visitors writes this";
}
