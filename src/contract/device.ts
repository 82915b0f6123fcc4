import type { PacketLayout, Packets } from "./batch.ts";
import type { MaybePromise, OnReady } from "./stream.ts";

/**
 * Packets that a TUN device keeps for us. The usual 500 overflow in a burst of one fast connection,
 * packet by packet; a slow link's queue is our own, so that a long one here makes nobody wait.
 */
export const DEVICE_QUEUE = 2000;

/** The smallest MTU that IPv6 runs on (RFC 8200 section 5). */
export const IPV6_MIN_MTU = 1280;

/** A TUN device: whole IP packets. One reader at a time; batches of several writers may mingle. */
export interface Device extends AsyncDisposable {
  readonly name: string;
  readonly mtu: number;
  /**
   * Bytes before each packet that belong to the device: it reads and writes its own header there.
   * A layout must have so much before the first packet and between any two.
   */
  readonly headroom: number;
  /** Offloads that may be written to it (bits of `Offload`); 0 if batches have no headers. */
  readonly takes: number;
  /**
   * Sets the offloads that it may return from now on: bits of `takes`. Packets queued before may
   * still need more.
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
