import { type Cidr, formatCidr, networkOf, parseCidr } from "../../base/addr.ts";
import { covers, overlap } from "../../base/prefix.ts";

/** A shorter prefix takes more from the machine's own routes than a server may. */
const SHORTEST = { 4: 8, 6: 16 } as const;

/** Networks that mean something only on this machine or on a link of it. */
const LOCAL = [
  { what: "loopback", networks: ["127.0.0.0/8", "::1/128"] },
  { what: "the unspecified address", networks: ["0.0.0.0/8", "::/128"] },
  { what: "link-local addresses", networks: ["169.254.0.0/16", "fe80::/10"] },
  { what: "multicast", networks: ["224.0.0.0/4", "ff00::/8"] },
  { what: "reserved addresses", networks: ["240.0.0.0/4"] },
  { what: "IPv4 addresses in IPv6 form", networks: ["::ffff:0:0/96"] },
].map(({ what, networks }) => ({ what, networks: networks.map(parseCidr) }));

export interface RoutePolicy {
  /** The IP address by which the server is reached; absent = it has none. */
  readonly server?: Uint8Array | undefined;
  /** Networks that the user keeps beside the tunnel. */
  readonly exclude: readonly Cidr[];
  /** Returns the machine's network or route that overlaps, as `192.168.1.0/24 on eth0`, or null. */
  conflictOf(network: Cidr): string | null;
}

/** Returns the reason to refuse a route that a server pushes; null to accept it. */
export function routeRefusal(
  route: Cidr,
  { server, exclude, conflictOf }: RoutePolicy,
): string | null {
  const network = networkOf(route);
  const shortest = SHORTEST[route.family];
  if (route.prefix < shortest) return `it is wider than /${shortest}`;
  if (server !== undefined && covers(network, server)) return "it has the server's own address";
  const local = localIn(network);
  if (local !== null) return `it has ${local}`;
  const excluded = exclude.find((one) => overlap(one, network));
  if (excluded !== undefined) return `it overlaps --exclude ${formatCidr(excluded)}`;
  const conflict = conflictOf(network);
  return conflict === null ? null : `it takes ${conflict} from this machine`;
}

/** Returns the reason to refuse a name server that a server pushes; null to accept it. */
export function nameServerRefusal(ip: Uint8Array): string | null {
  const local = localIn({ family: ip.length === 4 ? 4 : 6, bytes: ip, prefix: ip.length * 8 });
  return local === null ? null : `it is of ${local}`;
}

function localIn(network: Cidr): string | null {
  return LOCAL.find(({ networks }) => networks.some((one) => overlap(one, network)))?.what ?? null;
}
