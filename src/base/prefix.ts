import { type Cidr, networkOf } from "./addr.ts";

/** Returns true if the network has the address (4 or 16 bytes); never one of the other family. */
export function covers(cidr: Cidr, ip: Uint8Array): boolean {
  if (ip.length !== cidr.bytes.length) return false;
  const whole = cidr.prefix >>> 3;
  for (let i = 0; i < whole; i++) if (ip[i] !== cidr.bytes[i]) return false;
  const bits = cidr.prefix & 7;
  return bits === 0 || ((ip[whole]! ^ cidr.bytes[whole]!) & (0xff00 >>> bits) & 0xff) === 0;
}

/** Of the networks that have this address the one with the longest prefix, the first of equals. */
export function longestMatch<T extends { readonly cidr: Cidr }>(
  entries: readonly T[],
  ip: Uint8Array,
): T | null {
  let best: T | null = null;
  for (const entry of entries) {
    if ((best === null || entry.cidr.prefix > best.cidr.prefix) && covers(entry.cidr, ip)) {
      best = entry;
    }
  }
  return best;
}

export function overlap(one: Cidr, other: Cidr): boolean {
  if (one.family !== other.family) return false;
  return one.prefix <= other.prefix
    ? covers(networkOf(one), other.bytes)
    : covers(networkOf(other), one.bytes);
}
