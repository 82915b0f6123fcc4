export const BATCH_PACKETS = 128;

/** The largest IP packet. A read never gets less room, whatever the device's MTU has become. */
export const MAX_PACKET = 65_535;

/** The largest super-packet: an IPv6 header, and all that its length can say (docs/wire/link-v2.md). */
export const MAX_SUPER_PACKET = 40 + 65_535;

/** Size of a virtio_net_hdr (core/ip/virtio_net.ts), which may stand before a packet. */
export const VIRTIO_NET_HEADER = 10;

/** Bits of work left to the other end; any implies open checksums. tcp and udp: super-packets. */
export const Offload = { none: 0, tcp: 1, udp: 2 } as const;

/**
 * A batch: packet i is `bytes[offset[i] .. offset[i]+length[i])`. A device fills the batch's own
 * arena; a link may lend its receive buffer instead, valid until the next call on that link.
 */
export interface Packets {
  bytes: Uint8Array;
  count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  /** 1 = the virtio_net_hdr in the 10 bytes before packet i counts; 0 = the packet is complete. */
  readonly hasHeader: Uint8Array;
}

export function makePackets(size: number): Packets {
  return {
    bytes: new Uint8Array(size),
    count: 0,
    offset: new Int32Array(BATCH_PACKETS),
    length: new Int32Array(BATCH_PACKETS),
    hasHeader: new Uint8Array(BATCH_PACKETS),
  };
}

/**
 * Free bytes around packets for a link's headers and tags. A group is `groupHeadroom`, then for
 * each packet `headroom`, the packet, `tailroom`; then `groupTailroom`. It ends once it has `group`
 * bytes between its headroom and its tailroom; the next follows at once.
 */
export interface PacketLayout {
  readonly groupHeadroom: number;
  readonly headroom: number;
  readonly tailroom: number;
  readonly groupTailroom: number;
  readonly group: number;
}

export class LayoutCursor {
  readonly #layout: PacketLayout;
  #groupAt: number;
  /** Where the next packet's first byte goes. */
  at: number;

  constructor(layout: PacketLayout) {
    this.#layout = layout;
    this.#groupAt = layout.groupHeadroom;
    this.at = layout.groupHeadroom + layout.headroom;
  }

  next(length: number): void {
    const { groupHeadroom, headroom, tailroom, groupTailroom, group } = this.#layout;
    let end = this.at + length + tailroom;
    if (end - this.#groupAt >= group) this.#groupAt = end += groupTailroom + groupHeadroom;
    this.at = end + headroom;
  }
}

/** Returns true without open checksum (bit 0 of byte 0) and type of super-packet (byte 1). */
export function isComplete(bytes: Uint8Array, at: number): boolean {
  const header = at - VIRTIO_NET_HEADER;
  return ((bytes[header]! & 1) | bytes[header + 1]!) === 0;
}

/** Clears an idle header (`hasHeader` 0) before `at`. It has no branch, since both kinds come. */
export function clearIdleHeader(bytes: Uint8Array, at: number, hasHeader: number): void {
  const kept = hasHeader * 0xff;
  for (let i = at - VIRTIO_NET_HEADER; i < at; i++) bytes[i] = bytes[i]! & kept;
}
