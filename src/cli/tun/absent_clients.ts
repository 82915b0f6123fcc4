import { formatCidr } from "../../base/addr.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { AbsentClientStatus, SessionStatus } from "../../core/status/report.ts";

/** Clients in one report. */
const MOST_LISTED = 1000;

/** Returns those of kept leases whose client has no session. `now`: milliseconds since 1970. */
export function absentClients(
  leases: readonly Lease[],
  sessions: readonly SessionStatus[],
  now: number,
): AbsentClientStatus[] {
  const present = new Set(sessions.flatMap(({ addresses = [] }) => addresses));
  return leases
    .map(({ name, addresses, usedAt }) => ({
      name,
      addresses: addresses.map(formatCidr),
      seconds: Math.max(0, now - usedAt) / 1000,
    }))
    .filter(({ addresses }) => !addresses.some((address) => present.has(address)))
    .sort((a, b) => a.seconds - b.seconds)
    .slice(0, MOST_LISTED);
}
