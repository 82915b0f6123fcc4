import { makePackets, MAX_PACKET } from "../../base/packets.ts";
import type { Clock } from "../../contract/host.ts";
import {
  type Device,
  type Link,
  NO_PACKET,
  type PacketLayout,
  type Packets,
} from "../../contract/packet.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Arena of a batch: room for usual packets, and for one of the largest behind them. */
export const READ_ARENA = 4 * MAX_PACKET;

/**
 * After so much without a wait the other way has its turn: what goes there are the answers that this
 * way's senders wait for, and in the worst case they all stop until one way is empty.
 */
const BUDGET = 512 * 1024;

/** A packet takes as long as so many bytes, besides its own. */
const PACKET_COST = 2048;

/** What a link does beside packets, new keys at the most: so much at a time. */
const OTHER_COST = BUDGET / 8;

/** What a batch takes of the budget. Packets lie one behind the other, or nearly. */
function costOf({ count, offset, length }: Packets): number {
  if (count === 0) return 0;
  return count * PACKET_COST + offset[count - 1]! + length[count - 1]! - offset[0]!;
}

/**
 * Reads batches from the device for ever. `take` gives back the batch to read into next. What counts
 * `weight` times as much has turns that are shorter by so much.
 */
export function carryFromDevice(
  device: Device,
  clock: Clock,
  room: PacketLayout,
  first: Packets,
  take: (packets: Packets) => MaybePromise<Packets>,
  weight = 1,
): Promise<never> {
  let packets = first;
  return runLoop<never>({ clock, budget: BUDGET, onReady: (run) => device.onReadable(run) }, () => {
    const count = device.readNow(packets, room);
    if (count === 0) return WOULD_BLOCK;
    const cost = costOf(packets) * weight;
    const next = take(packets);
    if (next instanceof Promise) {
      return next.then((batch) => {
        packets = batch;
        return cost;
      });
    }
    packets = next;
    return cost;
  });
}

/**
 * Writes what a link receives to the device, as far as `keep` leaves it in, until the peer ends it.
 * `weight`: as above.
 */
export function carryToDevice(
  link: Link,
  device: Device,
  clock: Clock,
  keep: (packets: Packets) => void,
  weight: () => number = () => 1,
): Promise<void> {
  const packets = makePackets(0); // the link lends its own buffer
  return runLoop<void>({ clock, budget: BUDGET, onReady: (run) => link.onReceivable(run) }, () => {
    const count = link.recvNow(packets);
    if (count === undefined) return WOULD_BLOCK;
    if (count === 0) return DONE;
    if (count === NO_PACKET) return OTHER_COST * weight();
    const cost = costOf(packets) * weight();
    keep(packets);
    const writing = device.writeBatch(packets);
    return writing instanceof Promise ? writing.then(() => cost) : cost;
  });
}
