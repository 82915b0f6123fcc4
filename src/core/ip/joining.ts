import { readU16, readU32, writeU16 } from "../../base/bytes.ts";
import {
  BATCH_PACKETS,
  MAX_SUPER_PACKET,
  Offload,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import { checksumOf } from "./checksum.ts";
import { flowOf, IPV4_MIN, IPV6_SIZE, isIpPacket, Protocol, TCP_MIN, UDP_SIZE } from "./header.ts";
import { writeHeaderChecksum } from "./segmentation.ts";
import { Gso, writeHeader } from "./virtio_net.ts";

/** Flows of one batch whose segments are joined. */
const FLOWS = 16;

/** Bytes for packets that are not joined. */
const SINGLES = 256 * 1024;

/** The most that the length in an IP header says. */
const LONGEST = 65_535;

const MOST_UDP_SEGMENTS = 64;

const TCP_FLAGS = 13;
const ACK = 0x10;
const PSH = 0x08;
const FIN = 0x01;

/** A packet of the batch. */
class Entry {
  at = 0;
  length = 0;
  /** Its checksum is open: the places of its headers count. */
  isOpen = false;
  transport = 0;
  headers = 0;
  /** Of the first segment's payload, in bytes. */
  size = 0;
  segments = 0;
  isTcp = false;
  flow = 0;
  nextSequence = 0;
  nextId = 0;
}

/**
 * Gathers packets that came one by one into a batch, and joins segments with open checksums to
 * super-packets by the rules of the kernel's receive offload (tcp_gro_receive, udp_gro_receive): what
 * it makes, the kernel would cut as it was. Packets of a flow stay in their order.
 */
export class Joiner {
  readonly #offload: number;
  readonly #entries = Array.from({ length: BATCH_PACKETS }, () => new Entry());
  #count = 0;
  /** Flows that take another segment. */
  readonly #open: Entry[] = [];
  #bytes: Uint8Array | null = null;
  #end = 0;
  #wide = 0;

  /** `offload`: super-packets that the device takes (bits). */
  constructor(offload: number) {
    this.#offload = offload;
  }

  /** Another packet may find no room. */
  get isFull(): boolean {
    return this.#count === BATCH_PACKETS || this.#end > FLOWS * WIDE + SINGLES - 2 * WIDE;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Copies a packet; false = there is no room, or it cannot be what it says it is. */
  add(bytes: Uint8Array, at: number, length: number, isOpen: boolean): boolean {
    if (this.isFull || length > LONGEST || !isIpPacket(bytes, at, length)) return false;
    if (!isOpen) {
      // Nothing of its flow may be joined past it.
      this.#closeFlow(flowOf(bytes, at, length));
      this.#single(bytes, at, length);
      return true;
    }
    const found = PROBE;
    if (!readTransport(bytes, at, length, found)) return false;
    const flow = found.flow = flowOf(bytes, at, length);
    const open = this.#open.find((one) => one.flow === flow);
    if (open !== undefined) {
      if (this.#append(open, bytes, at, length, found)) return true;
      this.#closeFlow(flow);
    }
    const isJoinable = found.isJoinable && this.#wide < FLOWS &&
      (this.#offload & (found.isTcp ? Offload.tcp : Offload.udp)) !== 0;
    const entry = this.#single(bytes, at, length, isJoinable ? WIDE : undefined);
    entry.isOpen = true;
    entry.transport = found.transport;
    entry.headers = found.headers;
    entry.isTcp = found.isTcp;
    if (!isJoinable) return true;
    this.#wide++;
    entry.flow = flow;
    entry.size = length - found.headers;
    entry.segments = 1;
    entry.nextSequence = (found.sequence + entry.size) >>> 0;
    entry.nextId = (found.id + 1) & 0xffff;
    this.#open.push(entry);
    if (found.isLast) this.#closeFlow(flow);
    return true;
  }

  #single(bytes: Uint8Array, at: number, length: number, room = length + 2 * VIRTIO_NET_HEADER) {
    const arena = this.#bytes ??= new Uint8Array(FLOWS * WIDE + SINGLES);
    const entry = this.#entries[this.#count++]!;
    entry.at = this.#end + 2 * VIRTIO_NET_HEADER;
    entry.length = length;
    entry.isOpen = false;
    entry.segments = 1;
    for (let i = 0; i < VIRTIO_NET_HEADER; i++) arena[entry.at - VIRTIO_NET_HEADER + i] = 0;
    arena.set(bytes.subarray(at, at + length), entry.at);
    this.#end += room;
    return entry;
  }

  #closeFlow(flow: number): void {
    const i = this.#open.findIndex((one) => one.flow === flow);
    if (i >= 0) this.#open.splice(i, 1);
  }

  /** Appends a segment that follows; false = it begins anew. */
  #append(
    entry: Entry,
    bytes: Uint8Array,
    at: number,
    length: number,
    found: typeof PROBE,
  ): boolean {
    const size = length - found.headers;
    const arena = this.#bytes!;
    const fits = found.isJoinable && found.headers === entry.headers && size <= entry.size &&
      found.isTcp === entry.isTcp && entry.length + size <= LONGEST &&
      (entry.isTcp ? found.sequence === entry.nextSequence : entry.segments < MOST_UDP_SEGMENTS);
    if (!fits || !isSameFlow(arena, entry, bytes, at, found)) return false;
    arena.set(bytes.subarray(at + found.headers, at + length), entry.at + entry.length);
    entry.length += size;
    entry.segments++;
    entry.nextSequence = (entry.nextSequence + size) >>> 0;
    entry.nextId = (entry.nextId + 1) & 0xffff;
    if (entry.isTcp) {
      const flags = entry.at + entry.transport + TCP_FLAGS;
      arena[flags] = arena[flags]! | bytes[at + found.transport + TCP_FLAGS]! & (PSH | FIN);
    }
    if (size < entry.size || found.isLast) this.#closeFlow(entry.flow);
    return true;
  }

  /** Gives the batch, lent until the next `add`, and begins another. Returns how many packets it has. */
  give(into: Packets): number {
    into.bytes = this.#bytes ?? into.bytes;
    for (let i = 0; i < this.#count; i++) {
      const entry = this.#entries[i]!;
      if (entry.isOpen) this.#finish(entry);
      into.offset[i] = entry.at;
      into.length[i] = entry.length;
      into.hasHeader[i] = entry.isOpen ? 1 : 0;
    }
    into.count = this.#count;
    this.#count = this.#end = this.#wide = 0;
    this.#open.length = 0;
    return into.count;
  }

  #finish({ at, length, transport, headers, size, segments, isTcp }: Entry): void {
    const bytes = this.#bytes!;
    const isV4 = bytes[at]! >>> 4 === 4;
    const isSuper = segments > 1;
    if (isSuper) {
      if (isV4) {
        writeU16(bytes, at + 2, length);
        writeHeaderChecksum(bytes, at);
      } else writeU16(bytes, at + 4, length - IPV6_SIZE);
      if (!isTcp) writeU16(bytes, at + transport + 4, length - transport);
    }
    const from = at + (isV4 ? 12 : 8);
    const size4or16 = isV4 ? 8 : 32;
    const added = (isTcp ? Protocol.tcp : Protocol.udp) + length - transport;
    writeU16(
      bytes,
      at + transport + (isTcp ? 16 : 6),
      checksumOf(bytes, from, from + size4or16, added),
    );
    const type = !isSuper ? Gso.none : !isTcp ? Gso.udp : isV4 ? Gso.tcp4 : Gso.tcp6;
    writeHeader(bytes, at, { type, headers, size, start: transport, isTcp });
  }
}

/** Room of a flow: a super-packet with the room of two headers before it. */
const WIDE = MAX_SUPER_PACKET + 2 * VIRTIO_NET_HEADER;

/** Found by `readTransport`, valid until the next call. */
const PROBE = {
  transport: 0,
  headers: 0,
  isTcp: false,
  sequence: 0,
  id: 0,
  flow: 0,
  /** It may be joined with another, as far as it can be told by itself; and none may follow it. */
  isJoinable: false,
  isLast: false,
};

/** Returns false for a packet that has no TCP or UDP header right behind its IP header. */
function readTransport(
  bytes: Uint8Array,
  at: number,
  length: number,
  into: typeof PROBE,
): boolean {
  const isV4 = bytes[at]! >>> 4 === 4;
  const ipSize = isV4 ? (bytes[at]! & 0x0f) * 4 : IPV6_SIZE;
  if (ipSize < IPV4_MIN || ipSize > length) return false;
  if (readU16(bytes, at + (isV4 ? 2 : 4)) !== (isV4 ? length : length - IPV6_SIZE)) return false;
  if (isV4 && (readU16(bytes, at + 6) & 0x3fff) !== 0) return false;
  const protocol = bytes[at + (isV4 ? 9 : 6)]!;
  into.isTcp = protocol === Protocol.tcp;
  if (!into.isTcp && protocol !== Protocol.udp) return false;
  const least = into.isTcp ? TCP_MIN : UDP_SIZE;
  if (ipSize + least > length) return false;
  const own = into.isTcp ? (bytes[at + ipSize + 12]! >>> 4) * 4 : UDP_SIZE;
  if (own < least || ipSize + own > length) return false;
  into.transport = ipSize;
  into.headers = ipSize + own;
  into.id = isV4 ? readU16(bytes, at + 4) : 0;
  const isPlain = !isV4 || ipSize === IPV4_MIN;
  const hasPayload = into.headers < length;
  if (!into.isTcp) {
    if (readU16(bytes, at + ipSize + 4) !== length - ipSize) return false;
    into.isJoinable = isPlain && hasPayload;
    into.isLast = false;
    return true;
  }
  into.sequence = readU32(bytes, at + ipSize + 4);
  const flags = bytes[at + ipSize + TCP_FLAGS]!;
  into.isJoinable = isPlain && hasPayload && (flags & ~(PSH | FIN)) === ACK;
  into.isLast = (flags & (PSH | FIN)) !== 0;
  return true;
}

/** Compares all that the segments of one super-packet have in common. */
function isSameFlow(
  arena: Uint8Array,
  entry: Entry,
  bytes: Uint8Array,
  at: number,
  { transport, headers, isTcp, id }: typeof PROBE,
): boolean {
  const isV4 = bytes[at]! >>> 4 === 4;
  if (isV4 && id !== entry.nextId) return false;
  for (let i = 0; i < headers; i++) {
    const isOther = isV4
      ? i === 2 || i === 3 || i === 4 || i === 5 || i === 10 || i === 11
      : i === 4 || i === 5;
    const t = i - transport;
    // Sequence, flags and checksum; length and checksum.
    const isOwn = isTcp ? (t >= 4 && t < 8) || t === 13 || t === 16 || t === 17 : t >= 4;
    if (isOther || (t >= 0 && isOwn)) continue;
    if (arena[entry.at + i] !== bytes[at + i]) return false;
  }
  return true;
}
