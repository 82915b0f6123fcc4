import type { Now } from "./stream.ts";

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
}

/**
 * Free bytes around the packets of a batch, for a link's headers and tags. Packets come in groups:
 * `lead`, then for each packet `headroom`, the packet, `tailroom`, and `trail` behind the last one.
 * A group ends once it has `group` bytes between lead and trail; the next one follows at once.
 */
export interface Room {
  readonly lead: number;
  readonly headroom: number;
  readonly tailroom: number;
  readonly trail: number;
  readonly group: number;
}

/** Whole messages in both directions. One sender and one receiver at a time. */
export interface Link extends AsyncDisposable {
  /** What `send` needs around the packets; it overwrites those bytes. */
  readonly room: Room;
  /**
   * Sends all packets of the batch (borrowed, and overwritten, until settled). Fastest when they
   * lie as `room` says, one behind the other.
   */
  send(batch: Packets): Now<void>;
  /** Receives at least one packet; the count, or 0 when the peer has ended the link. */
  recv(into: Packets): Now<number>;
}

/** A TUN device: whole IP packets. One reader and one writer at a time. */
export interface Device extends AsyncDisposable {
  readonly name: string;
  readonly mtu: number;
  /**
   * Reads at least one packet, with the given room in the batch's arena. The room is looked at
   * when there are packets: a caller may change it while the read waits.
   */
  readBatch(into: Packets, room: Room): Now<number>;
  /** Writes all packets; one that the kernel refuses is dropped and counted in `refused`. */
  writeBatch(from: Packets): Now<void>;
  /** Throws away what is queued for reading; returns how many packets that were. */
  drain(): number;
  readonly refused: number;
}
