import { concat, writeU16 } from "../../src/base/bytes.ts";

/** Fields of an IP packet; defaults are the usual values of a host. */
export interface Recipe {
  version: 4 | 6;
  protocol: "tcp" | "udp";
  payload: Uint8Array;
  /** TCP's, and IPv4's: a multiple of four bytes. */
  tcpOptions?: Uint8Array;
  ipOptions?: Uint8Array;
  /** IPv6 headers before TCP or UDP: the number of each, and its size, a multiple of eight. */
  between?: { kind: number; size: number }[];
}

/** A packet, and where in it things are. */
export interface MadePacket {
  bytes: Uint8Array;
  protocol: number;
  /** Where the TCP or UDP header begins, where the checksum behind that, where the payload. */
  transport: number;
  checksum: number;
  payload: number;
}

export const TCP = 6;
export const UDP = 17;

/** A packet whose checksum is zero. */
export function makeIpPacket(recipe: Recipe): MadePacket {
  const isTcp = recipe.protocol === "tcp";
  const protocol = isTcp ? TCP : UDP;
  const ip = recipe.version === 4 ? ipv4(recipe, protocol) : ipv6(recipe, protocol);
  const header = isTcp ? tcp(recipe) : udp(recipe);
  const bytes = concat(ip, header, recipe.payload);
  if (recipe.version === 4) writeU16(bytes, 2, bytes.length);
  else writeU16(bytes, 4, bytes.length - 40);
  return {
    bytes,
    protocol,
    transport: ip.length,
    checksum: isTcp ? 16 : 6,
    payload: ip.length + header.length,
  };
}

function ipv4({ ipOptions = new Uint8Array() }: Recipe, protocol: number): Uint8Array {
  const header = concat(new Uint8Array(20), ipOptions);
  header[0] = 0x40 | (header.length / 4);
  header[6] = 0x40; // don't fragment
  header[9] = protocol;
  header.set([10, 1, 1, 1, 10, 1, 1, 2], 12);
  return header;
}

function ipv6({ between = [] }: Recipe, protocol: number): Uint8Array {
  const kinds = [...between.map(({ kind }) => kind), protocol];
  const header = new Uint8Array(40);
  header[0] = 0x60;
  header[6] = kinds[0]!;
  for (let i = 8; i < 40; i++) header[i] = 5 * i;
  const extensions = between.map(({ size }, i) => {
    const extension = new Uint8Array(size);
    extension.set([kinds[i + 1]!, size / 8 - 1]);
    return extension;
  });
  return concat(header, ...extensions);
}

function tcp({ tcpOptions = new Uint8Array() }: Recipe): Uint8Array {
  const header = concat(new Uint8Array(20), tcpOptions);
  header.set([0x9c, 0x40, 0x4e, 0xeb]); // ports 40000 and 20203
  header.set([(header.length / 4) << 4, 0x18], 12); // data offset; PSH and ACK
  return header;
}

function udp({ payload }: Recipe): Uint8Array {
  const header = new Uint8Array(8);
  header.set([0x9c, 0x40, 0x4e, 0xeb]);
  writeU16(header, 4, 8 + payload.length);
  return header;
}

/** The sum of RFC 1071: 2^16 is 1 modulo ffff, and only zeros have a sum of zero. */
function onesSum(bytes: Uint8Array): number {
  const total = bytes.reduce((sum, byte, i) => sum + (i % 2 === 0 ? byte * 256 : byte), 0);
  return total === 0 ? 0 : total % 0xffff || 0xffff;
}

/** The pseudo-header of RFC 9293 or RFC 8200. */
function pseudoHeader({ bytes, transport, protocol }: MadePacket): Uint8Array {
  const addresses = bytes[0]! >>> 4 === 4 ? bytes.slice(12, 20) : bytes.slice(8, 40);
  const behind = new Uint8Array(8);
  const length = bytes.length - transport;
  behind.set([length >>> 16, length >>> 8, length, 0, 0, 0, protocol], 1);
  return concat(addresses, behind);
}

/** The checksum that the packet should have, from all its bytes. */
export function checksumOf(made: MadePacket): number {
  const transport = made.bytes.slice(made.transport);
  writeU16(transport, made.checksum, 0);
  const checksum = 0xffff - onesSum(concat(pseudoHeader(made), transport));
  return checksum === 0 && made.protocol === UDP ? 0xffff : checksum;
}

/** Leaves the checksum open, as a kernel does that leaves the rest to its device. */
export function leaveOpen(made: MadePacket): void {
  writeU16(made.bytes, made.transport + made.checksum, onesSum(pseudoHeader(made)));
}

/** A virtio_net_hdr, little-endian. */
export interface NetHeader {
  flags: number;
  type: number;
  hdrLen: number;
  size: number;
  start: number;
  offset: number;
}

export function packNetHeader(o: Partial<NetHeader> = {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(10));
  view.setUint8(0, o.flags ?? 0);
  view.setUint8(1, o.type ?? 0);
  const words = [o.hdrLen, o.size, o.start, o.offset];
  words.forEach((word, i) => view.setUint16(2 + 2 * i, word ?? 0, true));
  return new Uint8Array(view.buffer);
}

export function readNetHeader(bytes: Uint8Array): NetHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  const [hdrLen, size, start, offset] = [2, 4, 6, 8].map((at) => view.getUint16(at, true));
  return {
    flags: view.getUint8(0),
    type: view.getUint8(1),
    hdrLen: hdrLen!,
    size: size!,
    start: start!,
    offset: offset!,
  };
}

/** The header of a super-packet, or of one whose checksum is open where `type` is 0. */
export function netHeaderOf(made: MadePacket, type: number, size = 1000): NetHeader {
  return {
    flags: 1,
    type,
    hdrLen: type === 0 ? 0 : made.payload,
    size: type === 0 ? 0 : size,
    start: made.transport,
    offset: made.checksum,
  };
}
