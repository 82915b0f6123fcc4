import { type Cidr, formatCidr, networkOf } from "../../base/addr.ts";
import { isLinkLocal, isLocalNetwork, isWithin } from "./local_networks.ts";

/** `tunnel`: by the device; `refused`: with an error at once; `beside`: as without the tunnel. */
export type TableWay = "tunnel" | "refused" | "beside";

export interface TableEntry {
  readonly to: Cidr;
  readonly way: TableWay;
}

export interface TableWishes {
  /** Families in which the device has an address. */
  readonly families: readonly (4 | 6)[];
  /** Networks that the system sends into the tunnel already. */
  readonly own: readonly Cidr[];
  /** Networks of the other links' addresses, of which the local ones are kept. */
  readonly connected: readonly Cidr[];
  readonly exclude: readonly Cidr[];
  /** Addresses of the tunnel's name servers, with all their bits. */
  readonly nameServers: readonly Cidr[];
}

const DEFAULTS: readonly Cidr[] = [
  { family: 4, bytes: new Uint8Array(4), prefix: 0 },
  { family: 6, bytes: new Uint8Array(16), prefix: 0 },
];

/**
 * Returns the routing table that all packets of the machine but the carrier's look up. It always has
 * an entry for a packet, so that no route of another table counts, however specific: DHCP can set
 * such ones (CVE-2024-3661). Nor can an access point that gives the network of a private name server
 * to its own link have what the tunnel's name servers are asked.
 */
export function tunnelTable(o: TableWishes): TableEntry[] {
  const own = o.own.map(networkOf).filter((network) =>
    isLocalNetwork(network) && !isLinkLocal(network)
  );
  const local = keptNetworks(o.connected, own);
  const entries: TableEntry[] = [
    ...DEFAULTS.map((to): TableEntry => ({
      to,
      way: o.families.includes(to.family) ? "tunnel" : "refused",
    })),
    ...local.map((to): TableEntry => ({ to, way: "beside" })),
    ...own.map((to): TableEntry => ({ to, way: "tunnel" })),
    ...privateServers(o).map((to): TableEntry => ({ to, way: "tunnel" })),
    ...o.exclude.map(networkOf).map((to): TableEntry => ({ to, way: "beside" })),
  ];
  return [...new Map(entries.map((entry) => [formatCidr(entry.to), entry])).values()];
}

/** Others are in no network that is kept beside the tunnel. */
function privateServers({ families, nameServers, exclude }: TableWishes): Cidr[] {
  return nameServers.filter((server) =>
    families.includes(server.family) && isLocalNetwork(server) && !isLinkLocal(server) &&
    !exclude.some((network) => isWithin(server, network))
  );
}

/** Returns the local ones of these networks, but for those that are parts of the tunnel's `own`. */
export function keptNetworks(connected: readonly Cidr[], own: readonly Cidr[]): Cidr[] {
  return connected.map(networkOf).filter((network) =>
    isLinkLocal(network) ||
    (isLocalNetwork(network) && !own.some((range) => isWithin(network, range)))
  );
}
