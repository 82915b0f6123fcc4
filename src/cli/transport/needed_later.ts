import type { Revocable } from "../platform/permissions.ts";
import type { Endpoint } from "./endpoint.ts";
import { entryOf } from "./table.ts";

/**
 * Permissions that the main thread keeps for transports: what a library's callbacks give is read in
 * the data plane, where that counts too.
 */
export function neededByTransports(endpoints: readonly Endpoint[]): Revocable[] {
  return endpoints.some(({ scheme }) => entryOf(scheme).hasOwnSockets === true) ? ["ffi"] : [];
}
