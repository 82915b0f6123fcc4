import { formatIp, ipBytes } from "../../base/addr.ts";
import { NativeError } from "../../../ffi/linux/errno.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";

/**
 * How packets to this IP address leave, as `ip route get` says it; null where they do not, or by a
 * link without carrier, or by `tunnel` (an index). The router is that of the table's entry: an ICMP
 * redirect is no other way. `from`: their source address; else it is part of the answer.
 */
export function pathTo(
  netlink: Netlink,
  host: string,
  o: { readonly tunnel: number; readonly from?: string | undefined },
): string | null {
  try {
    const zone = zoneOf(host);
    if (zone !== null) return netlink.link(zone).carrier ? `dev ${zone}` : null;
    const address = ipBytes(host);
    const from = o.from === undefined || zoneOf(o.from) !== null ? null : ipBytes(o.from);
    if (address === null) return null;
    const asked = from === null ? {} : { from };
    const way = netlink.lookup(address, asked);
    if (way === null || way.index === o.tunnel) return null;
    const link = netlink.link(way.index);
    if (!link.carrier) return null;
    const entry = way.isLocal ? null : netlink.lookup(address, { ...asked, match: true });
    const { source } = way;
    return [
      `dev ${link.name}`,
      ...(entry?.gateway === undefined ? [] : [`via ${formatIp(entry.gateway)}`]),
      ...(source === undefined || from !== null ? [] : [`src ${formatIp(source)}`]),
    ].join(" ");
  } catch (error) {
    if (error instanceof NativeError) return null; // the link has gone meanwhile
    throw error;
  }
}

/** True when this IP address is one of this machine's, or when that is not known. */
export function isOwnAddress(netlink: Netlink, host: string): boolean {
  const address = ipBytes(host.replace(/%.*$/, ""));
  if (address === null) return true;
  const text = formatIp(address);
  try {
    return netlink.allAddresses().some(({ local }) => formatIp(local.bytes) === text) ||
      netlink.lookup(address)?.isLocal === true;
  } catch (error) {
    if (error instanceof NativeError) return true; // not known to be gone
    throw error;
  }
}

/** The link of a link-local address (RFC 4007 section 11), or null. */
function zoneOf(host: string): string | null {
  return /%(.+)$/.exec(host)?.[1] ?? null;
}
