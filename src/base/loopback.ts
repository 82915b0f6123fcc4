import { parseCidr, parseIp } from "./addr.ts";
import { covers } from "./prefix.ts";

const LOOPBACK = ["127.0.0.0/8", "::1", "::ffff:127.0.0.0/104"].map(parseCidr);

/** Returns true if only this machine reaches the address; "" = all addresses. */
export function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && LOOPBACK.some((network) => covers(network, ip));
}
