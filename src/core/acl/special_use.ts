import { type Cidr, parseCidr } from "../../base/addr.ts";
import { covers, longestMatch } from "../../base/prefix.ts";

/**
 * Addresses that are not globally reachable by IANA's special-purpose registries (RFC 6890 and its
 * updates), or no unicast. Connecting to them for strangers would open the proxy's own network.
 */
interface Block {
  readonly cidr: Cidr;
  readonly what: string;
}

const BLOCKS: readonly Block[] = [
  block("0.0.0.0/8", "unspecified"), // RFC 791; Linux takes 0.0.0.0 for loopback
  block("10.0.0.0/8", "private"), // RFC 1918
  block("100.64.0.0/10", "behind a provider's NAT"), // RFC 6598
  block("127.0.0.0/8", "loopback"), // RFC 1122
  block("169.254.0.0/16", "link-local"), // RFC 3927; clouds tell their secrets at 169.254.169.254
  block("172.16.0.0/12", "private"), // RFC 1918
  block("192.0.0.0/24", "for protocols"), // RFC 6890
  block("192.0.2.0/24", "for documentation"), // RFC 5737
  block("192.168.0.0/16", "private"), // RFC 1918
  block("198.18.0.0/15", "for benchmarks"), // RFC 2544
  block("198.51.100.0/24", "for documentation"), // RFC 5737
  block("203.0.113.0/24", "for documentation"), // RFC 5737
  block("224.0.0.0/4", "multicast"), // RFC 5771
  block("240.0.0.0/4", "reserved"), // RFC 1112
  block("255.255.255.255/32", "broadcast"), // RFC 919

  block("::/0", "not global unicast"), // RFC 4291 section 2.4: all but 2000::/3, not given out yet
  block("::/128", "unspecified"), // RFC 4291
  block("::1/128", "loopback"), // RFC 4291
  block("64:ff9b:1::/48", "for local translators"), // RFC 8215
  block("100::/64", "discard-only"), // RFC 6666
  block("2001::/23", "for protocols"), // RFC 2928, with Teredo (RFC 4380)
  block("2001:db8::/32", "for documentation"), // RFC 3849
  block("3fff::/20", "for documentation"), // RFC 9637
  block("5f00::/16", "for segment routing"), // RFC 9602
  block("fc00::/7", "private"), // RFC 4193, unique local
  block("fe80::/10", "link-local"), // RFC 4291
  block("ff00::/8", "multicast"), // RFC 4291
];

const GLOBAL_UNICAST = parseCidr("2000::/3");

function block(cidr: string, what: string): Block {
  return { cidr: parseCidr(cidr), what };
}

/** Names a special address's use in a word or two; null for any other address. */
export function specialUse(ip: Uint8Array): string | null {
  const found = longestMatch(BLOCKS, ip);
  if (found === null || (found.cidr.prefix === 0 && covers(GLOBAL_UNICAST, ip))) return null;
  return found.what;
}

/** Prefixes of addresses that lead to an IPv4 address within: NAT64 (RFC 6052), 6to4 (RFC 3056). */
const CARRIERS = [
  { cidr: parseCidr("64:ff9b::/96"), at: 12 },
  { cidr: parseCidr("2002::/16"), at: 2 },
];

/** Returns the IPv4 address where packets to this IPv6 address end, a view, or null. */
export function carriedIpv4(ip: Uint8Array): Uint8Array | null {
  const carrier = longestMatch(CARRIERS, ip);
  return carrier === null ? null : ip.subarray(carrier.at, carrier.at + 4);
}

const MAPPED = parseCidr("::ffff:0:0/96");

/** Converts IPv4-mapped addresses (RFC 4291 section 2.5.5.2); others stay. A view. */
export function unmapped(ip: Uint8Array): Uint8Array {
  return covers(MAPPED, ip) ? ip.subarray(12) : ip;
}

export function unmappedCidr(cidr: Cidr): Cidr {
  if (cidr.prefix < 96 || !covers(MAPPED, cidr.bytes)) return cidr;
  return { family: 4, bytes: cidr.bytes.subarray(12), prefix: cidr.prefix - 96 };
}
