/** Looks at the checksums of captured packets with code of its own, not the product's. */
import { formatIp } from "../../src/base/addr.ts";
import { readU16 } from "../../src/base/bytes.ts";

const IPV4_SIZE = 20;
const IPV6_SIZE = 40;
/** Protocol numbers, and where their headers have the checksum. */
const PROTOCOLS = { 6: { name: "tcp", field: 16 }, 17: { name: "udp", field: 6 } } as const;

export interface Judged {
  /** Protocol, IP version and sender, as in `tcp4 from 10.1.1.2`. */
  flow: string;
  /** Of the whole IP packet. */
  length: number;
  /**
   * `open`: the field holds the pseudo-header's sum and nothing else, which is how Linux leaves it
   * to whoever sends the packet on. That is right on a device which offloads, and nowhere else.
   */
  checksum: "right" | "open" | "wrong";
}

/** @throws {Error} for what no test here sends: options, fragments, other protocols */
export function judge(packet: Uint8Array): Judged {
  const isV4 = packet[0]! >>> 4 === 4;
  const at = isV4 ? IPV4_SIZE : IPV6_SIZE;
  const number = packet[isV4 ? 9 : 6]!;
  const protocol = PROTOCOLS[number as keyof typeof PROTOCOLS];
  const isFragment = isV4 && (readU16(packet, 6) & 0x3fff) !== 0;
  if (protocol === undefined || isFragment || (isV4 && packet[0] !== 0x45)) {
    throw new Error(`Cannot judge ${packet.subarray(0, at).toHex()}`);
  }
  const source = formatIp(packet.subarray(isV4 ? 12 : 8, isV4 ? 16 : 24));
  const flow = `${protocol.name}${isV4 ? 4 : 6} from ${source}`;
  const length = isV4 ? readU16(packet, 2) : IPV6_SIZE + readU16(packet, 4);
  const told = (checksum: Judged["checksum"]) => ({ flow, length, checksum });
  if (length > packet.length || (isV4 && sum(packet, 0, at) !== 0xffff)) return told("wrong");
  const stored = readU16(packet, at + protocol.field);
  // A UDP checksum of zero says that there is none: no sender here leaves it out.
  if (protocol.name === "udp" && stored === 0) return told("wrong");
  const pseudo = sum(packet, isV4 ? 12 : 8, at, number + length - at);
  if (sum(packet, at, length, pseudo) === 0xffff) return told("right");
  return told(stored === pseudo ? "open" : "wrong");
}

/** One's complement sum of 16-bit words (RFC 1071), not complemented; `first` is added to it. */
export function sum(bytes: Uint8Array, from: number, end: number, first = 0): number {
  let total = first;
  for (let i = from; i < end; i += 2) total += (bytes[i]! << 8) | (i + 1 < end ? bytes[i + 1]! : 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

const PCAP_MAGIC = 0xa1b2c3d4;
const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
/** Bytes before the packet for the link types Ethernet and bare IP. */
const LINK_HEADER: Record<number, number> = { 1: 14, 101: 0 };

/** The packets of a pcap file (tcpdump's, in this machine's byte order), from their IP header on. */
export function packetsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0, true) !== PCAP_MAGIC) throw new Error("This is no pcap file");
  const before = LINK_HEADER[view.getUint32(20, true)];
  if (before === undefined) throw new Error(`Cannot read link type ${view.getUint32(20, true)}`);
  const packets: Uint8Array[] = [];
  for (let at = PCAP_HEADER; at < file.length;) {
    const size = view.getUint32(at + 8, true);
    at += RECORD_HEADER;
    packets.push(file.subarray(at + before, at + size));
    at += size;
  }
  return packets;
}
