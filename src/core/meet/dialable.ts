import { type Cidr, formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";
import { carriedIpv4, specialUse, unmapped } from "../acl/special_use.ts";
import { MOST_CANDIDATES } from "./messages.ts";

/** Special addresses that a network of one's own may have. */
const OF_NETWORKS: ReadonlySet<string> = new Set([
  "private",
  "link-local",
  "behind a provider's NAT",
  "for documentation",
  "for benchmarks",
]);

/**
 * Returns those of the other end's addresses that may be dialled, since it could name any: global
 * unicast, and others only where an interface here has that very network. `own`: addresses of this
 * machine with their prefixes. IPv6 link-local ones take a zone, which no other machine knows.
 */
export function dialable(
  candidates: readonly HostPort[],
  own: readonly Cidr[],
): readonly HostPort[] {
  const found = new Map<string, HostPort>();
  for (const { host, port } of candidates) {
    const given = parseIp(host);
    if (given === null || port < 1 || port > 65_535) continue;
    const ip = unmapped(given);
    if (!mayDial(ip, own)) continue;
    const text = formatIp(ip);
    found.set(`${text} ${port}`, { host: text, port });
  }
  return [...found.values()].slice(0, MOST_CANDIDATES);
}

function mayDial(ip: Uint8Array, own: readonly Cidr[]): boolean {
  if (own.some(({ bytes }) => isSame(bytes, ip))) return false;
  const carried = carriedIpv4(ip);
  if (carried !== null && specialUse(carried) !== null) return false;
  const use = specialUse(ip);
  if (use === null) return true;
  const isZoned = ip.length === 16 && use === "link-local";
  return OF_NETWORKS.has(use) && !isZoned && own.some((network) => covers(network, ip));
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
