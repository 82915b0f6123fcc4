import { formatIp, formatIpv4At, ipBytes } from "../../../base/addr.ts";
import { readU16, utf8, writeU16 } from "../../../base/bytes.ts";
import { allocSmall } from "../../../base/small_alloc.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { makeTarget, type Target, withoutBrackets } from "../../../base/target.ts";

/**
 * Addresses of SOCKS5 (RFC 1928 section 5):
 *
 *     type (1) | 1: 4 bytes of IPv4; 3: length (1), name; 4: 16 bytes of IPv6 | port (2)
 */
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** Bytes of the longest address: type, length, name, port. */
export const MAX_ADDRESS = 1 + 1 + 255 + 2;

/** Returns the size with type and port, or as much as tells it; null = no such type. */
export function addressSize(bytes: Uint8Array, at: number, end: number): number | null {
  if (at >= end) return 1;
  if (bytes[at] === IPV4) return 1 + 4 + 2;
  if (bytes[at] === IPV6) return 1 + 16 + 2;
  if (bytes[at] !== NAME) return null;
  return at + 1 >= end ? 2 : 2 + bytes[at + 1]! + 2;
}

/** Reads an address. @throws {ProtocolError} on a host or port that cannot be */
export function readAddress(bytes: Uint8Array, at: number, size: number): Target {
  return makeTarget(readHost(bytes, at, size), readU16(bytes, at + size - 2));
}

function readHost(bytes: Uint8Array, at: number, size: number): string {
  if (bytes[at] === IPV4) return formatIpv4At(bytes, at + 1);
  const end = at + size - 2;
  if (bytes[at] === NAME) return withoutBrackets(fromLatin1(bytes.subarray(at + 2, end)));
  return formatIp(bytes.subarray(at + 1, end));
}

/** Writes an IP address or ASCII name behind `lead` bytes that are the caller's to fill. */
export function packAddress(
  { host, port }: { host: string; port: number },
  lead: number,
): Uint8Array {
  const ip = ipBytes(host);
  const text = ip ?? utf8(host);
  const textAt = lead + (ip === null ? 2 : 1);
  const bytes = allocSmall(textAt + text.length + 2);
  bytes[lead] = ip === null ? NAME : ip.length === 4 ? IPV4 : IPV6;
  if (ip === null) bytes[lead + 1] = text.length;
  bytes.set(text, textAt);
  writeU16(bytes, textAt + text.length, port);
  return bytes;
}
