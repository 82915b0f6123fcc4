import { writeU16 } from "../../base/bytes.ts";
import { Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { IPV4_MIN, IPV6_SIZE, Protocol, TCP_MIN, UDP_SIZE } from "./header.ts";
import { Gso } from "./virtio_net.ts";

/** Addresses of the networks for benchmarks (RFC 2544, RFC 5180), less their last byte. */
const IPV4_NETWORK = [198, 18, 0];
const IPV6_NETWORK = [0x20, 0x01, 0x00, 0x02, ...Array<number>(11).fill(0)];

/** Bytes behind the IP header of what `ping` sends. */
const PING = 64;

/** A usual segment of a super-packet, and a super-packet, in bytes. */
const SEGMENT = 1360;
const SUPER = 24 * 1024;

/** Most packets of a burst: fewer than wait in a socket's queue (max_dgram_qlen, 10). */
const BURST = 8;

export interface SampleOptions {
  /** Last byte of either address, source and destination. */
  readonly from: number;
  readonly to: number;
  /** Bytes in front of each packet: room for a virtio_net_hdr, or 0. */
  readonly headroom: number;
  /** Bits of `Offload` that both ends have. */
  readonly offload: number;
  readonly mtu: number;
}

/** Packets such as users send, as a device has them; their checksums are not filled in. */
export interface Samples {
  readonly ping: Uint8Array;
  /** Packets that are sent together. */
  readonly bursts: readonly (readonly Uint8Array[])[];
}

/** The two addresses of an end, as text. */
export function sampleAddresses(last: number): [string, string] {
  return [`${[...IPV4_NETWORK, last].join(".")}/32`, `2001:2::${last.toString(16)}/128`];
}

export function makeSamples(o: SampleOptions): Samples {
  const { mtu, headroom, offload } = o;
  const ping4 = makePacket(o, 4, Protocol.icmp, IPV4_MIN + PING);
  const ping6 = makePacket(o, 6, Protocol.icmpv6, IPV6_SIZE + PING);
  const datagram = makePacket(o, 4, Protocol.udp, mtu);
  const ack4 = makePacket(o, 4, Protocol.tcp, IPV4_MIN + TCP_MIN);
  const ack6 = makePacket(o, 6, Protocol.tcp, IPV6_SIZE + TCP_MIN);
  const bursts = [[ping6], Array<Uint8Array>(BURST).fill(datagram), [ack4, datagram, ping4], [
    ack6,
  ]];
  if (headroom >= VIRTIO_NET_HEADER && offload !== Offload.none) {
    bursts.push([withOpenChecksum(o, ack4, 4)], [withOpenChecksum(o, datagram, 4, UDP_SIZE)]);
  }
  if ((offload & Offload.tcp) !== 0) {
    bursts.push([makeSuperPacket(o, 4)], [makeSuperPacket(o, 6)]);
  }
  return { ping: ping4, bursts };
}

function makePacket(o: SampleOptions, family: 4 | 6, protocol: number, size: number): Uint8Array {
  const { from, to, headroom: at } = o;
  const bytes = new Uint8Array(at + size);
  if (family === 4) {
    bytes[at] = 0x45; // a header of five words
    writeU16(bytes, at + 2, size);
    bytes[at + 8] = 64; // TTL
    bytes[at + 9] = protocol;
    bytes.set([...IPV4_NETWORK, from, ...IPV4_NETWORK, to], at + 12);
  } else {
    bytes[at] = 6 << 4;
    writeU16(bytes, at + 4, size - IPV6_SIZE);
    bytes[at + 6] = protocol;
    bytes[at + 7] = 64; // hop limit
    bytes.set([...IPV6_NETWORK, from, ...IPV6_NETWORK, to], at + 8);
  }
  const payload = at + headerSize(family);
  if (protocol === Protocol.udp) writeU16(bytes, payload + 4, size - headerSize(family));
  if (protocol === Protocol.tcp) {
    bytes[payload + 12] = (TCP_MIN / 4) << 4;
    bytes[payload + 13] = 0x10; // ACK
  }
  return bytes;
}

function headerSize(family: 4 | 6): number {
  return family === 4 ? IPV4_MIN : IPV6_SIZE;
}

/** Copies a packet of TCP, or of UDP if `size` says so, and leaves its checksum to the receiver. */
function withOpenChecksum(
  { headroom }: SampleOptions,
  packet: Uint8Array,
  family: 4 | 6,
  size: number = TCP_MIN,
): Uint8Array {
  const bytes = packet.slice();
  const header = headerAt(bytes, headroom);
  header.setUint8(0, 1);
  header.setUint16(6, headerSize(family), true);
  header.setUint16(8, size === TCP_MIN ? 16 : 6, true); // where the checksum is
  return bytes;
}

function makeSuperPacket(o: SampleOptions, family: 4 | 6): Uint8Array {
  const bytes = withOpenChecksum(o, makePacket(o, family, Protocol.tcp, SUPER), family);
  const header = headerAt(bytes, o.headroom);
  header.setUint8(1, family === 4 ? Gso.tcp4 : Gso.tcp6);
  header.setUint16(2, headerSize(family) + TCP_MIN, true);
  header.setUint16(4, SEGMENT, true);
  return bytes;
}

/** The virtio_net_hdr (virtio_net.ts), right before the packet. */
function headerAt({ buffer }: Uint8Array<ArrayBuffer> | Uint8Array, headroom: number): DataView {
  return new DataView(buffer, headroom - VIRTIO_NET_HEADER, VIRTIO_NET_HEADER);
}
