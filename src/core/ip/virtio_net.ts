import { readU16, writeU16 } from "../../base/bytes.ts";
import { Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { checksumOf } from "./checksum.ts";
import { IPV4_MIN, IPV6_SIZE, Protocol, TCP_MIN, UDP_SIZE } from "./header.ts";

/**
 * struct virtio_net_hdr (virtio 1.2, 5.1.6; linux/virtio_net.h), little-endian, right before a
 * packet: what the end that made the packet has left for another to do.
 *
 *     u8 flags | u8 gso_type | u16 hdr_len | u16 gso_size | u16 csum_start | u16 csum_offset
 *
 * With a gso type the packet is a super-packet: one IP packet of up to 64 KB that stands for many
 * segments of `gso_size` bytes each. `NEEDS_CSUM`: its checksum, `csum_offset` behind `csum_start`,
 * holds the pseudo-header's sum alone. Offsets count from the packet's first byte.
 */
const FLAGS = 0;
const GSO_TYPE = 1;
const HDR_LEN = 2;
const GSO_SIZE = 4;
const CSUM_START = 6;
const CSUM_OFFSET = 8;

const NEEDS_CSUM = 0x01;

export const Gso = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const;
/** Flag of a TCP type: segments carry congestion notification (RFC 3168). */
const GSO_ECN = 0x80;

/** Size that says "as long as the fragment" (skbuff.h), which packets from outside do not have. */
const GSO_BY_FRAGS = 0xffff;

/**
 * Most segments, as each costs its receiver as much as a packet: 64 KB at the smallest MSS that
 * Linux sends (net.ipv4.tcp_min_snd_mss, 48), and its UDP_MAX_SEGMENTS.
 */
const MOST_TCP_SEGMENTS = Math.ceil(65_535 / 48);
const MOST_UDP_SEGMENTS = 128;

const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;

/** IPv6 extension headers that may precede the payload (RFC 8200 section 4.1). */
const PASSED_BY: ReadonlySet<number> = new Set([0, 43, 60]);

const IPV6_FRAGMENT = 44;

/** Returns the bit of `Offload` that this packet needs, 0 for a checksum alone. */
export function gsoNeeds(bytes: Uint8Array, at: number): number {
  const type = bytes[at - VIRTIO_NET_HEADER + GSO_TYPE]!;
  if (type === Gso.none) return 0;
  return type === Gso.udp ? Offload.udp : Offload.tcp;
}

/**
 * Checks a peer's header before the kernel sees it (docs/wire/link-v2.md, "Frames": 02): true if it
 * is valid and its offload was offered. Computes `hdr_len` anew.
 */
export function acceptHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  offered: number,
): boolean {
  const header = at - VIRTIO_NET_HEADER;
  const flags = bytes[header + FLAGS]!;
  const type = bytes[header + GSO_TYPE]!;
  const start = readLe(bytes, header + CSUM_START);
  const offset = readLe(bytes, header + CSUM_OFFSET);
  if ((flags & ~NEEDS_CSUM) !== 0) return false;
  if (flags !== 0 && start + offset + 2 > length) return false;
  if (type === Gso.none) {
    writeLe(bytes, header + HDR_LEN, 0);
    writeLe(bytes, header + GSO_SIZE, 0);
    return flags === 0 || (offered !== 0 && isChecksumPlace(bytes, at, length, start, offset));
  }
  const segment = readLe(bytes, header + GSO_SIZE);
  if (flags !== NEEDS_CSUM || segment === 0 || segment === GSO_BY_FRAGS) return false;
  const size = headersSize(bytes, at, length, type, start, offset, offered);
  if (size === null) return false;
  const most = type === Gso.udp ? MOST_UDP_SEGMENTS : MOST_TCP_SEGMENTS;
  if (length - size > most * segment) return false;
  writeLe(bytes, header + HDR_LEN, size);
  return true;
}

/** Returns the size of a super-packet's headers; null if its type does not match the packet. */
function headersSize(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  start: number,
  offset: number,
  offered: number,
): number | null {
  const isTcp = (type & ~GSO_ECN) === Gso.tcp4 || (type & ~GSO_ECN) === Gso.tcp6;
  if (!isTcp && type !== Gso.udp) return null;
  if ((offered & (isTcp ? Offload.tcp : Offload.udp)) === 0) return null;
  const version = bytes[at]! >>> 4;
  if (isTcp && version !== ((type & ~GSO_ECN) === Gso.tcp4 ? 4 : 6)) return null;
  if (payloadOf(bytes, at, length) !== payload(isTcp ? Protocol.tcp : Protocol.udp, start)) {
    return null;
  }
  if (offset !== (isTcp ? TCP_CHECKSUM : UDP_CHECKSUM)) return null;
  const least = isTcp ? TCP_MIN : UDP_SIZE;
  if (start + least > length) return null;
  const own = isTcp ? (bytes[at + start + 12]! >>> 4) * 4 : UDP_SIZE;
  return own < least || start + own >= length ? null : start + own;
}

/** Returns false where the kernel, which does not check, would write to any other field. */
function isChecksumPlace(
  bytes: Uint8Array,
  at: number,
  length: number,
  start: number,
  offset: number,
): boolean {
  const found = payloadOf(bytes, at, length);
  if (found === NO_PAYLOAD) return false;
  const place = found >>> 8;
  const protocol = found & 0xff;
  const isTcp = protocol === Protocol.tcp;
  if (!isTcp && protocol !== Protocol.udp) return start >= place;
  if (start === place) return offset === (isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  return start >= place + (isTcp ? TCP_MIN : UDP_SIZE); // inside an encapsulated packet
}

/** Tells if the open checksum is that of the TCP or UDP header right behind the IP header. */
export function isInnermost(bytes: Uint8Array, at: number, length: number): boolean {
  const found = payloadOf(bytes, at, length);
  const isV4 = bytes[at]! >>> 4 === 4;
  const size = isV4 ? (bytes[at]! & 0x0f) * 4 : IPV6_SIZE;
  const start = readLe(bytes, at - VIRTIO_NET_HEADER + CSUM_START);
  return start === size &&
    (found === payload(Protocol.tcp, size) || found === payload(Protocol.udp, size));
}

const NO_PAYLOAD = -1;

function payload(protocol: number, place: number): number {
  return place << 8 | protocol;
}

/** Returns protocol and offset of an unfragmented payload, packed by `payload`, or NO_PAYLOAD. */
function payloadOf(bytes: Uint8Array, at: number, length: number): number {
  if (bytes[at]! >>> 4 === 4) {
    const size = (bytes[at]! & 0x0f) * 4;
    if (length < size || size < IPV4_MIN) return NO_PAYLOAD;
    const isFragment = (readU16(bytes, at + 6) & 0x3fff) !== 0;
    return isFragment ? NO_PAYLOAD : payload(bytes[at + 9]!, size);
  }
  if (bytes[at]! >>> 4 !== 6 || length < IPV6_SIZE) return NO_PAYLOAD;
  let next = bytes[at + 6]!;
  let place = IPV6_SIZE;
  while (PASSED_BY.has(next) && place + 8 <= length) {
    next = bytes[at + place]!;
    place += (bytes[at + place + 1]! + 1) * 8;
  }
  return place > length || next === IPV6_FRAGMENT ? NO_PAYLOAD : payload(next, place);
}

/** Returns what an accepted header of a super-packet says, which stands at `header`. */
export function superPacket(
  bytes: Uint8Array,
  header: number,
): { type: number; headers: number; size: number; start: number } {
  return {
    type: bytes[header + GSO_TYPE]!,
    headers: readLe(bytes, header + HDR_LEN),
    size: readLe(bytes, header + GSO_SIZE),
    start: readLe(bytes, header + CSUM_START),
  };
}

/** Writes a header before `at`: an open checksum, and a super-packet unless the type is none. */
export function writeHeader(
  bytes: Uint8Array,
  at: number,
  o: { type: number; headers: number; size: number; start: number; isTcp: boolean },
): void {
  const header = at - VIRTIO_NET_HEADER;
  bytes[header + FLAGS] = NEEDS_CSUM;
  bytes[header + GSO_TYPE] = o.type;
  writeLe(bytes, header + HDR_LEN, o.type === Gso.none ? 0 : o.headers);
  writeLe(bytes, header + GSO_SIZE, o.type === Gso.none ? 0 : o.size);
  writeLe(bytes, header + CSUM_START, o.start);
  writeLe(bytes, header + CSUM_OFFSET, o.isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
}

/** Completes an open checksum; false = it lies outside the packet, which must be dropped. */
export function completeChecksum(bytes: Uint8Array, at: number, length: number): boolean {
  const header = at - VIRTIO_NET_HEADER;
  const start = readLe(bytes, header + CSUM_START);
  const offset = readLe(bytes, header + CSUM_OFFSET);
  if (start + offset + 2 > length) return false;
  const sum = checksumOf(bytes, at + start, at + length);
  // In UDP a checksum of zero means none (RFC 768), so its equal 0xffff is written.
  writeU16(bytes, at + start + offset, sum === 0xffff ? 0xffff : ~sum & 0xffff);
  return true;
}

/** Returns true if the checksum of the packet at `at`, which has a header, is open. */
export function needsChecksum(bytes: Uint8Array, at: number): boolean {
  return (bytes[at - VIRTIO_NET_HEADER + FLAGS]! & NEEDS_CSUM) !== 0;
}

function readLe(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function writeLe(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function offloadText(mask: number): string {
  const names = [[Offload.tcp, "tcp"], [Offload.udp, "udp"]] as const;
  return names.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name).join(",") || "off";
}
