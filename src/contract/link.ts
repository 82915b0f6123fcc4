import type { PacketLayout, Packets } from "./batch.ts";
import type { MaybePromise, OnReady } from "./stream.ts";

/** A link has received no packet: that costs time too, and others want their turns. */
export const NO_PACKET = -1;

/** Whole messages in both directions. One sender and one receiver at a time. */
export interface Link extends AsyncDisposable {
  /** Room that `send` needs around the packets; it overwrites those bytes. */
  readonly layout: PacketLayout;
  /** Offloads that the peer takes (bits): `send` must be given nothing else. */
  readonly offload: number;
  /** Sends the batch, borrowed and overwritten until settled; fastest when laid out as `layout`. */
  send(batch: Packets): MaybePromise<void>;
  /** Keeps the kernel's unsent data small, or not: it is first in, first out. */
  limitUnsent(little: boolean): void;
  /** Returns a count of packets; 0 = end, `NO_PACKET` = perhaps more, undefined = nothing yet. */
  recvNow(into: Packets): number | undefined;
  /** Calls `run` once when `recvNow` may have something; only after it had nothing. */
  onReceivable(run: OnReady): void;
}
