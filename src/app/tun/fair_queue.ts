import type { PacketLayout, Packets } from "../../contract/batch.ts";
import { PacketQueue, type QueueDiscipline } from "./packet_queue.ts";

/** Number of queues; sources share them if there are more. */
export const QUEUES = 8;

/** Bytes of bulk in the queue of source 0 and of each other source; packets in each queue. */
const FIRST_BYTES = 512 * 1024;
const OTHER_BYTES = 256 * 1024;
const BULK_PACKETS = 2048;

interface Queue {
  readonly packets: PacketQueue;
  /** Bytes sent, on a scale that all queues share (start-time fair queueing). */
  served: number;
}

/**
 * Queues packets of several sources for one slow link, which takes the next portion from the least
 * served queue: a source that floods gets no more than an equal share.
 */
export class FairQueue implements QueueDiscipline {
  readonly #sourceOf: (packets: Packets, i: number) => number;
  readonly #queues: (Queue | null)[] = new Array<Queue | null>(QUEUES).fill(null);
  /** Served bytes of the queue last taken from; a queue that becomes active starts there. */
  #virtual = 0;

  /** `sourceOf` returns the queue number, below QUEUES, of packet i of a batch. */
  constructor(sourceOf: (packets: Packets, i: number) => number) {
    this.#sourceOf = sourceOf;
  }

  get dropped(): number {
    return this.#queues.reduce((sum, queue) => sum + (queue?.packets.dropped ?? 0), 0);
  }

  get isEmpty(): boolean {
    return this.#queues.every((queue) => queue === null || queue.packets.isEmpty);
  }

  put(from: Packets, first: number, now: number): number {
    for (let i = first; i < from.count; i++) {
      const queue = this.#queue(this.#sourceOf(from, i));
      // An idle queue does not accumulate credit.
      if (queue.packets.isEmpty) queue.served = Math.max(queue.served, this.#virtual);
      if (!queue.packets.add(from, i, now)) return i;
    }
    return from.count;
  }

  #queue(source: number): Queue {
    return this.#queues[source] ??= {
      packets: new PacketQueue(source === 0 ? FIRST_BYTES : OTHER_BYTES, BULK_PACKETS),
      served: 0,
    };
  }

  take(into: Packets, layout: PacketLayout, now: number): void {
    into.count = 0;
    const next = this.#leastServed();
    if (next === null) return;
    this.#virtual = next.served;
    next.packets.take(into, layout, now);
    for (let i = 0; i < into.count; i++) next.served += into.length[i]!;
  }

  #leastServed(): Queue | null {
    let least: Queue | null = null;
    for (const queue of this.#queues) {
      if (queue === null || queue.packets.isEmpty) continue;
      if (least === null || queue.served < least.served) least = queue;
    }
    return least;
  }

  clear(): void {
    for (const queue of this.#queues) queue?.packets.clear();
  }
}
