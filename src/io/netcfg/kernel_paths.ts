import { formatIp, ipBytes } from "../../base/addr.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";

/**
 * Returns the path in the format of `ip route get`; null without a route, without a carrier, or
 * through `tunnel` (an interface index). The gateway is the routing table's: an ICMP redirect is no
 * change of path. Without `from`, the source that the kernel chooses is included.
 */
export function pathTo(
  netlink: Netlink,
  host: string,
  o: {
    readonly tunnel: number;
    readonly from?: string | undefined;
    /** SO_MARK of the packets. */
    readonly mark?: number | undefined;
  },
): string | null {
  try {
    const zone = zoneOf(host);
    if (zone !== null) return netlink.link(zone).carrier ? `dev ${zone}` : null;
    const address = ipBytes(host);
    const from = o.from === undefined || zoneOf(o.from) !== null ? null : ipBytes(o.from);
    if (address === null) return null;
    const asked = { ...(from !== null && { from }), mark: o.mark };
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
    if (error instanceof NativeError) return null; // the link was removed meanwhile
    throw error;
  }
}

/** Returns true also if that cannot be determined. */
export function isOwnAddress(netlink: Netlink, host: string): boolean {
  const address = ipBytes(host.replace(/%.*$/, ""));
  if (address === null) return true;
  const text = formatIp(address);
  try {
    return netlink.allAddresses().some(({ local }) => formatIp(local.bytes) === text) ||
      netlink.lookup(address)?.isLocal === true;
  } catch (error) {
    if (error instanceof NativeError) return true; // cannot be determined
    throw error;
  }
}

/** The zone of a link-local address (RFC 4007 section 11), or null. */
function zoneOf(host: string): string | null {
  return /%(.+)$/.exec(host)?.[1] ?? null;
}
