import { formatIp, type HostPort } from "../../base/addr.ts";
import { specialUse } from "../acl/special_use.ts";
import { MOST_CANDIDATES } from "./ticket.ts";

/** Uses of addresses at which no other machine can reach this one (`specialUse`). */
const NOWHERE = ["unspecified", "loopback", "link-local", "multicast", "broadcast", "reserved"];

/** Uses of addresses that only machines of the same network, or behind the same NAT, can reach. */
const NEAR = ["private", "behind a provider's NAT"];

/**
 * Returns where a peer may reach this machine, best first: what `said` has, then addresses of its
 * interfaces (4 or 16 bytes), those of private networks last, all with the same port.
 */
export function ownCandidates(
  { said, own, port }: {
    readonly said: readonly HostPort[];
    readonly own: readonly Uint8Array[];
    readonly port: number;
  },
): HostPort[] {
  const reachable = own.filter((ip) => !NOWHERE.includes(specialUse(ip) ?? ""));
  const isNear = (ip: Uint8Array) => NEAR.includes(specialUse(ip) ?? "");
  const ordered = [...reachable.filter((ip) => !isNear(ip)), ...reachable.filter(isNear)];
  const all = [...said, ...ordered.map((ip) => ({ host: formatIp(ip), port }))];
  const byName = new Map(all.map((one) => [`${one.host} ${one.port}`, one]));
  return [...byName.values()].slice(0, MOST_CANDIDATES);
}
