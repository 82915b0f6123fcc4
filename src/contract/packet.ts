import type { MaybePromise, OnReady } from "./stream.ts";

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
   * 1 where a virtio_net_hdr (core/ip/virtio_net.ts) stands in the 10 bytes before packet i and says
   * something; 0 where the packet is complete, whatever stands there.
   */
  readonly header: Uint8Array;
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

/** What a link has dealt with was no packet. It costs time as well: others want their turns. */
export const NO_PACKET = -1;

/** Whole messages in both directions. One sender and one receiver at a time. */
export interface Link extends AsyncDisposable {
  /** What `send` needs around the packets; it overwrites those bytes. */
  readonly layout: PacketLayout;
  /** What the peer takes (bits of `Offload`): `send` must be given nothing else. */
  readonly offload: number;
  /**
   * Sends all packets of the batch (borrowed, and overwritten, until settled). Fastest when they
   * lie as `layout` says, one behind the other.
   */
  send(batch: Packets): MaybePromise<void>;
  /** Whether the carrier shall hold little that it has not sent yet: its queue is first in, first out. */
  limitUnsent(little: boolean): void;
  /**
   * Receives what is there now, without waiting: the count of packets, 0 when the peer has ended
   * the link, `NO_PACKET` when something else came, and there may be more; undefined = nothing yet.
   */
  recvNow(into: Packets): number | undefined;
  /** Calls `run` once, when `recvNow` may have something to say; only after it had nothing. */
  onReceivable(run: OnReady): void;
}

/** A TUN device: whole IP packets. One reader at a time; batches of several writers may mingle. */
export interface Device extends AsyncDisposable {
  readonly name: string;
  readonly mtu: number;
  /**
   * Bytes before each packet that belong to the device: it reads and writes its own header there.
   * So much a `Room` must have before the first packet and between any two.
   */
  readonly headroom: number;
  /** What may be written to it (bits of `Offload`); 0 where batches have no headers. */
  readonly takes: number;
  /**
   * What may be read from it from now on: bits of `takes`. Of what is queued already, packets may
   * still come that want more.
   */
  setOffload(mask: number): void;
  /**
   * Reads packets that are there now, with the given room in the batch's arena; 0 = none that it
   * knows of.
   */
  readNow(into: Packets, layout: PacketLayout): number;
  /**
   * Calls `run` once, when `readNow` may have something to say, soon where that is so already:
   * packets or a failure. Call it only after `readNow` had nothing; `run` is never called from within.
   */
  onReadable(run: OnReady): void;
  /**
   * Writes all packets, one after the other, and overwrites `headroom` bytes before each. One that
   * the kernel refuses is dropped and counted in `refused`.
   */
  writeBatch(from: Packets): MaybePromise<void>;
  /** Throws away what is queued for reading; returns how many packets that were. */
  drain(): number;
  readonly refused: number;
}
