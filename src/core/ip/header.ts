import { readU16, readU32, writeU16 } from "../../base/bytes.ts";
import { fold } from "./checksum.ts";

export const IPV4_MIN = 20;
export const IPV6_SIZE = 40;
export const TCP_MIN = 20;
export const UDP_SIZE = 8;
export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, none: 59 } as const;
const TCP_FLAG_SYN = 0x02;
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;

/** Returns true if version and room for a header can be those of an IP packet. */
export function isIpPacket(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < IPV4_MIN) return false;
  const version = bytes[at]! >>> 4;
  return version === 4 || (version === 6 && length >= IPV6_SIZE);
}

/** Returns the size of the addresses; 0 if it is no IP packet or too short for its header. */
export function addressSize(bytes: Uint8Array, at: number, length: number): 0 | 4 | 16 {
  if (!isIpPacket(bytes, at, length)) return 0;
  return bytes[at]! >>> 4 === 4 ? 4 : 16;
}

/** Returns the offset of the source address; the destination follows it. */
export function sourceOffset(size: 4 | 16): number {
  return size === 4 ? 12 : 8;
}

/**
 * Returns a 32-bit hash of addresses, protocol and, if TCP or UDP directly follows the IP header,
 * ports. For a fragment it is the addresses alone, as later ones have no ports.
 */
export function flowOf(bytes: Uint8Array, at: number, length: number): number {
  const isV4 = bytes[at]! >>> 4 === 4;
  const protocol = bytes[at + (isV4 ? 9 : 6)]!;
  let hash = protocol;
  const end = at + (isV4 ? IPV4_MIN : IPV6_SIZE);
  for (let i = at + (isV4 ? 12 : 8); i < end; i += 4) hash = mix(hash, readU32(bytes, i));
  if (protocol !== Protocol.tcp && protocol !== Protocol.udp) return hash;
  if (isV4 && (readU16(bytes, at + 6) & 0x3fff) !== 0) return hash;
  const ports = isV4 ? (bytes[at]! & 0x0f) * 4 : IPV6_SIZE;
  return ports + 4 > length ? hash : mix(hash, readU32(bytes, at + ports));
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e37_79b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/**
 * Returns an IPv6 packet that every host discards: from and to loopback, hop limit 1, no next
 * header (RFC 8200 section 4.7). Version 1 has no ping; a peer's kernel acknowledges this one.
 */
export function unseenPacket(): Uint8Array {
  const packet = new Uint8Array(IPV6_SIZE);
  packet[0] = 6 << 4;
  packet[6] = Protocol.none;
  packet[7] = 1; // hop limit
  packet[23] = 1; // source ::1
  packet[39] = 1; // destination ::1
  return packet;
}

/**
 * Lowers the MSS of a TCP SYN to fit packets of `mtu` bytes, and updates the checksum (RFC 1624)
 * unless it is `open` and does not cover the options yet.
 */
export function clampMss(
  bytes: Uint8Array,
  at: number,
  length: number,
  mtu: number,
  open = false,
): void {
  const isV4 = bytes[at]! >>> 4 === 4;
  const ipSize = isV4 ? (bytes[at]! & 0x0f) * 4 : IPV6_SIZE;
  if (ipSize < IPV4_MIN || length < ipSize + TCP_MIN) return;
  if (bytes[at + (isV4 ? 9 : 6)] !== Protocol.tcp) return;
  if (isV4 && (readU16(bytes, at + 6) & 0x1fff) !== 0) return; // not the first fragment
  const tcp = at + ipSize;
  if ((bytes[tcp + 13]! & TCP_FLAG_SYN) === 0) return;
  const end = Math.min(tcp + (bytes[tcp + 12]! >>> 4) * 4, at + length);
  const limit = mtu - (isV4 ? IPV4_MIN : IPV6_SIZE) - TCP_MIN;
  for (let option = tcp + TCP_MIN; option < end && bytes[option] !== OPTION_END;) {
    if (bytes[option] === OPTION_NOP) {
      option++;
      continue;
    }
    const size = option + 1 < end ? bytes[option + 1]! : 0;
    if (size < 2 || option + size > end) return;
    if (bytes[option] === OPTION_MSS && size === 4) {
      return lowerMss(bytes, tcp, option, limit, open);
    }
    option += size;
  }
}

function lowerMss(
  bytes: Uint8Array,
  tcp: number,
  option: number,
  limit: number,
  open: boolean,
): void {
  const mss = readU16(bytes, option + 2);
  if (mss <= limit || limit <= 0) return;
  if (open) return writeU16(bytes, option + 2, limit);
  // At an odd offset the two bytes lie in two checksum words, so their sum counts shifted.
  const odd = (option - tcp) % 2 === 1;
  const sumOf = (value: number) => odd ? ((value & 0xff) << 8) | (value >>> 8) : value;
  const checksum = readU16(bytes, tcp + 16);
  const sum = fold((~checksum & 0xffff) + (~sumOf(mss) & 0xffff) + sumOf(limit));
  writeU16(bytes, option + 2, limit);
  writeU16(bytes, tcp + 16, ~sum & 0xffff);
}
