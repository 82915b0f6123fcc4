import { readU16, writeU16, writeU32 } from "../../base/bytes.ts";
import { IPV6_MIN_MTU } from "../../contract/device.ts";
import { checksumOf } from "./checksum.ts";
import { IPV4_MIN, IPV6_SIZE, Protocol } from "./header.ts";

/**
 * Answers to packets that are too long (RFC 792, RFC 1191 section 4; RFC 4443 section 3.2). Without
 * them path MTU discovery fails silently.
 */
const ICMP_HEADER = 8;
const HOP_LIMIT = 64;

/** Bytes of the packet to quote: a total of 576 bytes (RFC 1812 section 4.3.2.3). */
const IPV4_QUOTE = 576 - IPV4_MIN - ICMP_HEADER;

/**
 * Returns the answer to a packet longer than `mtu`; null if none may be sent: to an error or later
 * fragment, from or to multicast, or if the packet allows fragmentation (not done here).
 */
export function packetTooBig(
  bytes: Uint8Array,
  at: number,
  length: number,
  mtu: number,
): Uint8Array | null {
  const packet = bytes.subarray(at, at + length);
  return packet[0]! >>> 4 === 4 ? tooBig4(packet, mtu) : tooBig6(packet, mtu);
}

function tooBig4(packet: Uint8Array, mtu: number): Uint8Array | null {
  const headerSize = (packet[0]! & 0x0f) * 4;
  const fragment = readU16(packet, 6);
  const mayNotFragment = (fragment & 0x4000) !== 0;
  if (headerSize < IPV4_MIN || packet.length < headerSize + ICMP_HEADER) return null;
  if (!mayNotFragment || (fragment & 0x1fff) !== 0) return null;
  if (isGroup4(packet[12]!) || isGroup4(packet[16]!)) return null;
  // Of ICMP, only requests are answered: echo (8), timestamp (13).
  if (packet[9] === Protocol.icmp && packet[headerSize] !== 8 && packet[headerSize] !== 13) {
    return null;
  }
  const quote = packet.subarray(0, Math.min(packet.length, IPV4_QUOTE));
  const answer = new Uint8Array(IPV4_MIN + ICMP_HEADER + quote.length);
  answer[0] = 0x45;
  writeU16(answer, 2, answer.length);
  answer[8] = HOP_LIMIT;
  answer[9] = Protocol.icmp;
  answer.set(packet.subarray(16, 20), 12);
  answer.set(packet.subarray(12, 16), 16);
  writeU16(answer, 10, ~checksumOf(answer, 0, IPV4_MIN) & 0xffff);
  answer[IPV4_MIN] = 3; // destination unreachable
  answer[IPV4_MIN + 1] = 4; // fragmentation needed
  writeU16(answer, IPV4_MIN + 6, mtu);
  answer.set(quote, IPV4_MIN + ICMP_HEADER);
  writeU16(answer, IPV4_MIN + 2, ~checksumOf(answer, IPV4_MIN, answer.length) & 0xffff);
  return answer;
}

/** Returns true for 0/8, 127/8 and everything from 224/4 on. */
function isGroup4(first: number): boolean {
  return first === 0 || first === 127 || first >= 224;
}

function tooBig6(packet: Uint8Array, mtu: number): Uint8Array | null {
  if (packet.length < IPV6_SIZE + ICMP_HEADER) return null;
  // RFC 4443 section 2.4 (e.3) allows multicast, but the answer would have no source address.
  if (!isOneHost6(packet.subarray(8, 24)) || !isOneHost6(packet.subarray(24, 40))) return null;
  if (packet[6] === Protocol.icmpv6 && packet[IPV6_SIZE]! < 128) return null; // an error
  // Quotes as much of the packet as the minimum IPv6 MTU allows.
  const room = IPV6_MIN_MTU - IPV6_SIZE - ICMP_HEADER;
  const quote = packet.subarray(0, Math.min(packet.length, room));
  const answer = new Uint8Array(IPV6_SIZE + ICMP_HEADER + quote.length);
  answer[0] = 6 << 4;
  writeU16(answer, 4, ICMP_HEADER + quote.length);
  answer[6] = Protocol.icmpv6;
  answer[7] = HOP_LIMIT;
  answer.set(packet.subarray(24, 40), 8);
  answer.set(packet.subarray(8, 24), 24);
  answer[IPV6_SIZE] = 2; // packet too big
  writeU32(answer, IPV6_SIZE + 4, mtu);
  answer.set(quote, IPV6_SIZE + ICMP_HEADER);
  // The pseudo-header: both addresses, the length and the protocol (RFC 8200 section 8.1).
  const pseudo = Protocol.icmpv6 + ICMP_HEADER + quote.length;
  writeU16(answer, IPV6_SIZE + 2, ~checksumOf(answer, 8, answer.length, pseudo) & 0xffff);
  return answer;
}

/** Returns false for multicast, :: and ::1. */
function isOneHost6(address: Uint8Array): boolean {
  return address[0] !== 0xff && address.some((byte, i) => i === 15 ? byte > 1 : byte !== 0);
}
