/** How many packets one batch holds at the most. */
export const BATCH_PACKETS = 128;

/**
 * Packets that a TUN device keeps for us. The usual 500 overflow in a burst of one fast connection,
 * packet by packet; a slow link's queue is our own, so that a long one here makes nobody wait.
 */
export const DEVICE_QUEUE = 2000;

/** The smallest MTU that IPv6 runs on (RFC 8200 section 5). */
export const IPV6_MIN_MTU = 1280;

/** The largest IP packet. A read never gets less room, whatever the device's MTU has become. */
export const MAX_PACKET = 65_535;

/** The largest super-packet: an IPv6 header, and all that its length can say (docs/wire/link-v2.md). */
export const MAX_SUPER_PACKET = 40 + 65_535;

/**
 * What one end may leave for the other to do: bits. Any of them implies open checksums; `tcp` and
 * `udp` are super-packets, which stand for many packets of a flow.
 */
export const Offload = { none: 0, tcp: 1, udp: 2 } as const;

/** Room of contract/packet.ts, which says what the fields mean. */
interface LayoutSizes {
  readonly header: number;
  readonly headroom: number;
  readonly tailroom: number;
  readonly trailer: number;
  readonly group: number;
}

/** Where packets of a batch go, one after the other, as a link wants them. */
export class LayoutCursor {
  readonly #room: LayoutSizes;
  #groupAt: number;
  /** Where the next packet's first byte goes. */
  at: number;

  constructor(room: LayoutSizes) {
    this.#room = room;
    this.#groupAt = room.header;
    this.at = room.header + room.headroom;
  }

  /** A packet of `length` bytes lies at `at`. */
  next(length: number): void {
    const { header, headroom, tailroom, trailer, group } = this.#room;
    let end = this.at + length + tailroom;
    if (end - this.#groupAt >= group) this.#groupAt = end += trailer + header;
    this.at = end + headroom;
  }
}

/** Size of a virtio_net_hdr (core/ip/virtio_net.ts), which may stand before a packet. */
export const VIRTIO_NET_HEADER = 10;

/**
 * Whether the virtio_net_hdr before the packet at `at` leaves nothing to do: no open checksum
 * (bit 0 of its first byte) and no type of super-packet (its second).
 */
export function isComplete(bytes: Uint8Array, at: number): boolean {
  const header = at - VIRTIO_NET_HEADER;
  return ((bytes[header]! & 1) | bytes[header + 1]!) === 0;
}

/**
 * Clears the virtio_net_hdr before the packet at `at` unless it says something (`header` 1, not 0).
 * Without a branch: both kinds come, and a processor, like a compiler, would bet on the usual one.
 */
export function clearIdleHeader(bytes: Uint8Array, at: number, header: number): void {
  const kept = header * 0xff;
  for (let i = at - VIRTIO_NET_HEADER; i < at; i++) bytes[i] = bytes[i]! & kept;
}

/** Offloads in words, for logs. */
export function offloadText(mask: number): string {
  const names = [[Offload.tcp, "tcp"], [Offload.udp, "udp"]] as const;
  return names.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name).join(",") || "off";
}

/** An empty batch with an arena of `size` bytes (contract/packet.ts says what the fields mean). */
export function makePackets(
  size: number,
): {
  bytes: Uint8Array;
  count: number;
  offset: Int32Array;
  length: Int32Array;
  header: Uint8Array;
} {
  return {
    bytes: new Uint8Array(size),
    count: 0,
    offset: new Int32Array(BATCH_PACKETS),
    length: new Int32Array(BATCH_PACKETS),
    header: new Uint8Array(BATCH_PACKETS),
  };
}
