import { type Addr, parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { withoutZone } from "../../base/zone.ts";

/** Groups addresses that one owner usually controls: an IPv4 address, or an IPv6 /64. */
export function addressGroup(from: Addr): string {
  if ("path" in from) return from.path;
  const ip = from.host.includes(":") ? parseIp(withoutZone(from.host)) : null;
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : from.host;
}
