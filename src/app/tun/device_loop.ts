import { makePackets, MAX_PACKET, type PacketLayout, type Packets } from "../../contract/batch.ts";
import type { Device } from "../../contract/device.ts";
import { type Link, NO_PACKET } from "../../contract/link.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import type { Clock } from "../../contract/host.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Bytes of a batch's buffer: usual packets, and one of the largest behind them. */
export const READ_ARENA = 4 * MAX_PACKET;

/**
 * Cost after which the other direction gets a turn. It carries the acknowledgements that
 * this direction's senders wait for; without turns all of them may stop.
 */
const BUDGET = 512 * 1024;

const PACKET_COST = 2048;

/** Cost of a step without packets, such as a rekey. */
const OTHER_COST = BUDGET / 8;

/** Packets lie one behind the other, or nearly so. */
function costOf({ count, offset, length }: Packets): number {
  if (count === 0) return 0;
  return count * PACKET_COST + offset[count - 1]! + length[count - 1]! - offset[0]!;
}

/**
 * Reads for ever; `take` returns the batch to read into next. A `weight` above 1 shortens turns.
 * @throws the error of the device or of `take`
 */
export function carryFromDevice(
  device: Device,
  clock: Clock,
  layout: () => PacketLayout,
  first: Packets,
  take: (packets: Packets) => MaybePromise<Packets>,
  weight = 1,
): Promise<never> {
  let packets = first;
  return runLoop<never>({ clock, budget: BUDGET, onReady: (run) => device.onReadable(run) }, () => {
    const count = device.readNow(packets, layout());
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

/** Ends with the link. `keep` removes packets from a batch. @throws the link's or device's error */
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
