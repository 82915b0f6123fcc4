import type { PacketLayout, Packets } from "./batch.ts";
import type { MaybePromise, OnReady } from "./stream.ts";

/**
 * Packets queued in the TUN device: the usual 500 overflow in a burst of one connection. A slow
 * link's queue is our own, so a long one here makes nobody wait.
 */
export const DEVICE_QUEUE = 2000;

/** The smallest MTU that IPv6 runs on (RFC 8200 section 5). */
export const IPV6_MIN_MTU = 1280;

/** A TUN device: whole IP packets. One reader at a time; batches of several writers may mingle. */
export interface Device extends AsyncDisposable {
  readonly name: string;
  readonly mtu: number;
  /** Bytes that it overwrites before each packet; a layout has them there and in between. */
  readonly headroom: number;
  /** Offloads (bits) that may be written to it; 0 where batches have no headers. */
  readonly takes: number;
  /** Sets what may be read from now on, of `takes`; packets in the queue may still want more. */
  setOffload(mask: number): void;
  /** Reads packets that are there now into the batch's arena; 0 = none that it knows of. */
  readNow(into: Packets, layout: PacketLayout): number;
  /** Calls `run` once for packets or a failure, never from within, after `readNow` had none. */
  onReadable(run: OnReady): void;
  /** Writes packets in order; `refused` counts those that the kernel refuses, which are dropped. */
  writeBatch(from: Packets): MaybePromise<void>;
  /** Throws away what is queued for reading; returns how many packets. */
  drain(): number;
  readonly refused: number;
}

/** The kernel's side of a device: what is sent here the device reads. */
export interface DeviceEnd {
  readonly closed: boolean;
  /** Sends a packet, behind the device's headroom; false if it was dropped. */
  send(packet: Uint8Array): boolean;
  /** Takes a packet that was written to the device; returns its bytes with headroom, 0 = none. */
  receive(): number;
  /** Calls `run` once when there is a packet or the end is closed. */
  onReadable(run: OnReady): void;
}
