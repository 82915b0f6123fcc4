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

/** Whole messages in both directions. One sender and one receiver at a time. */
export interface Link extends AsyncDisposable {
  /** Room that `send` needs before and after each packet; it overwrites those bytes. */
  readonly headroom: number;
  readonly tailroom: number;
  /**
   * Sends all packets of the batch (borrowed, and overwritten, until settled). Fastest when the
   * packets lie exactly tailroom + headroom apart.
   */
  send(batch: Packets): Now<void>;
  /** Receives at least one packet; the count, or 0 when the peer has ended the link. */
  recv(into: Packets): Now<number>;
}

/** A TUN device: whole IP packets. One reader and one writer at a time. */
export interface Device extends AsyncDisposable {
  readonly name: string;
  readonly mtu: number;
  /** Reads at least one packet, each with the given room around it in the batch's arena. */
  readBatch(into: Packets, room: { headroom: number; tailroom: number }): Now<number>;
  /** Writes all packets; one that the kernel refuses is dropped and counted in `refused`. */
  writeBatch(from: Packets): Now<void>;
  /** Throws away what is queued for reading; returns how many packets that were. */
  drain(): number;
  readonly refused: number;
}
