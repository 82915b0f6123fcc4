import type { PacketLayout, Packets } from "./batch.ts";
import type { MaybePromise, OnReady } from "./stream.ts";

/** Result of a step that handled something other than packets; it costs time, too. */
export const NO_PACKET = -1;

/** Whole messages in both directions. One sender and one receiver at a time. */
export interface Link extends AsyncDisposable {
  /** Room that `send` needs around the packets; it overwrites those bytes. */
  readonly layout: PacketLayout;
  /** Offloads that the peer takes (bits of `Offload`): `send` must be given nothing else. */
  readonly offload: number;
  /**
   * Sends all packets of the batch (borrowed, and overwritten, until settled). Fastest when they
   * lie as `layout` says, one behind the other.
   */
  send(batch: Packets): MaybePromise<void>;
  /** Keeps the kernel's unsent data small, or not: it is first in, first out. */
  limitUnsent(little: boolean): void;
  /**
   * Receives what is there now, without waiting: the count of packets, 0 when the peer has ended
   * the link, `NO_PACKET` when something else came, and there may be more; undefined = nothing yet.
   */
  recvNow(into: Packets): number | undefined;
  /** Calls `run` once, when `recvNow` may have something to say; only after it had nothing. */
  onReceivable(run: OnReady): void;
}
