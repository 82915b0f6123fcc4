import { formatIp, ipBytes } from "../../base/addr.ts";
import { NativeError } from "../../../ffi/errno.ts";
import type { Netlink } from "../../../ffi/netlink.ts";

/**
 * How packets to this IP address leave, as `ip route get` says it; null where they do not, or by a
 * link without carrier, or by `tunnel` (an index). The router is that of the table's entry: an ICMP
 * redirect is no other way.
 */
export function pathTo(netlink: Netlink, host: string, tunnel: number): string | null {
  const address = ipBytes(host);
  if (address === null) return ""; // with a zone: by that link, as long as it is there
  try {
    const way = netlink.lookup(address);
    if (way === null || way.index === tunnel) return null;
    const link = netlink.link(way.index);
    if (!link.carrier) return null;
    const entry = way.isLocal ? null : netlink.lookup(address, { match: true });
    return [
      `dev ${link.name}`,
      ...(entry?.gateway === undefined ? [] : [`via ${formatIp(entry.gateway)}`]),
      ...(way.source === undefined ? [] : [`src ${formatIp(way.source)}`]),
    ].join(" ");
  } catch (error) {
    if (error instanceof NativeError) return null; // the link has gone meanwhile
    throw error;
  }
}

/** Whether this IP address is one of this machine's. */
export function isOwnAddress(netlink: Netlink, host: string): boolean {
  const address = ipBytes(host);
  if (address === null) return true; // with a zone: not told apart
  const text = formatIp(address);
  return netlink.allAddresses().some(({ local }) => formatIp(local.bytes) === text) ||
    netlink.lookup(address)?.isLocal === true;
}
