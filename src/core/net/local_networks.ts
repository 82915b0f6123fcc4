import { type Cidr, parseCidr } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";

/** RFC 1918, RFC 3927; unique local addresses (RFC 4193), link-local ones (RFC 4291). */
const LOCAL = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
].map(parseCidr);

/**
 * Returns true for a network of addresses that no host of the internet has. An access point that
 * says that others are its own gets none of their packets (CVE-2023-36672).
 */
export function isLocalNetwork(network: Cidr): boolean {
  return LOCAL.some((range) => isWithin(network, range));
}

export function isLinkLocal(network: Cidr): boolean {
  return LOCAL.slice(-1).some((range) => isWithin(network, range));
}

export function isWithin(network: Cidr, range: Cidr): boolean {
  return network.family === range.family && network.prefix >= range.prefix &&
    covers(range, network.bytes);
}
