import { type Cidr, formatCidr, networkOf } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";

/** Shorter prefixes take more than one tunnel's network from the client's routes. */
const SHORTEST = { 4: 16, 6: 48 } as const;

/** Facts about a client's machine that a server must not override. */
export interface GivenPolicy {
  /** Networks that are accepted from any server (`--accept-addresses`). */
  readonly accepted: readonly Cidr[];
  /** IP addresses that must stay reachable outside the tunnel, each with a description. */
  readonly kept: readonly { readonly ip: Uint8Array; readonly what: string }[];
  /** Returns the machine's network that overlaps, as `192.168.1.0/24 on eth0`, or null. */
  conflictOf(network: Cidr): string | null;
}

/**
 * Returns the reason to refuse a server's addresses; null to accept. A server is trusted with one
 * address of each family in a network of its own, not with the client's routes or other hosts.
 */
export function refusalOf(given: readonly Cidr[], policy: GivenPolicy): string | null {
  const seen = new Set<number>();
  for (const address of given) {
    if (policy.accepted.some((network) => isWithin(address, network))) continue;
    const why = reasonFor(address, seen.has(address.family), policy);
    seen.add(address.family);
    if (why === null) continue;
    return `the server gives the address ${
      formatCidr(address)
    }: ${why}; if it is to be taken all ` +
      `the same, start with --accept-addresses ${formatCidr(networkOf(address))}`;
  }
  return null;
}

function reasonFor(address: Cidr, isSecond: boolean, policy: GivenPolicy): string | null {
  const { family, prefix } = address;
  if (isSecond) return `it is the second one of IPv${family}`;
  if (prefix < SHORTEST[family]) return `its network is wider than /${SHORTEST[family]}`;
  const network = networkOf(address);
  const kept = policy.kept.find(({ ip }) => covers(network, ip));
  if (kept !== undefined) return `its network has ${kept.what}`;
  const conflict = policy.conflictOf(network);
  return conflict === null ? null : `its network takes ${conflict} from this machine`;
}

function isWithin(address: Cidr, outer: Cidr): boolean {
  return address.family === outer.family && address.prefix >= outer.prefix &&
    covers(networkOf(outer), address.bytes);
}
