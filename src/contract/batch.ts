/** How many packets one batch holds at the most. */
export const BATCH_PACKETS = 128;

/** The largest IP packet. A read never gets less room, whatever the device's MTU has become. */
export const MAX_PACKET = 65_535;

/** The largest super-packet: an IPv6 header, and all that its length can say (docs/wire/link-v2.md). */
export const MAX_SUPER_PACKET = 40 + 65_535;

/** Size of a virtio_net_hdr (core/ip/virtio_net.ts), which may stand before a packet. */
export const VIRTIO_NET_HEADER = 10;

/**
 * Work that one end may leave to the other: bits. Any of them implies open checksums; `tcp` and
 * `udp` are super-packets, which stand for many packets of a flow.
 */
export const Offload = { none: 0, tcp: 1, udp: 2 } as const;

/**
 * A batch of packets in one byte array: packet i is `bytes[offset[i] .. offset[i]+length[i])`.
 * A device fills the batch's own arena; a link may lend its receive buffer instead (`bytes` then
 * points there), valid until the next call on that link.
 */
export interface Packets {
  bytes: Uint8Array;
  count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  /**
   * 1 where a virtio_net_hdr stands in the 10 bytes before packet i and says something; 0 where the
   * packet is complete, whatever stands there.
   */
  readonly header: Uint8Array;
}

/** An empty batch with an arena of `size` bytes. */
export function makePackets(size: number): Packets {
  return {
    bytes: new Uint8Array(size),
    count: 0,
    offset: new Int32Array(BATCH_PACKETS),
    length: new Int32Array(BATCH_PACKETS),
    header: new Uint8Array(BATCH_PACKETS),
  };
}

/**
 * Free bytes around the packets of a batch, for a link's headers and tags. Packets come in groups:
 * `header`, then for each packet `headroom`, the packet, `tailroom`, and `trailer` behind the last one.
 * A group ends once it has `group` bytes between header and trailer; the next one follows at once.
 */
export interface PacketLayout {
  readonly header: number;
  readonly headroom: number;
  readonly tailroom: number;
  readonly trailer: number;
  readonly group: number;
}

/** Where packets of a batch go, one after the other, as a link wants them. */
export class LayoutCursor {
  readonly #layout: PacketLayout;
  #groupAt: number;
  /** Where the next packet's first byte goes. */
  at: number;

  constructor(layout: PacketLayout) {
    this.#layout = layout;
    this.#groupAt = layout.header;
    this.at = layout.header + layout.headroom;
  }

  /** A packet of `length` bytes lies at `at`. */
  next(length: number): void {
    const { header, headroom, tailroom, trailer, group } = this.#layout;
    let end = this.at + length + tailroom;
    if (end - this.#groupAt >= group) this.#groupAt = end += trailer + header;
    this.at = end + headroom;
  }
}

/**
 * Returns true if the virtio_net_hdr before the packet at `at` leaves nothing to do: no open
 * checksum (bit 0 of its first byte) and no type of super-packet (its second).
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
