import type { PacketLayout, Packets } from "../../contract/packet.ts";
import { PacketQueue, type QueueDiscipline } from "./packet_queue.ts";

/** As many sources have a queue of their own; further ones share these. */
export const QUEUES = 8;

/** Bytes of bulk in the queue of source 0, and in that of each other one; packets in any of them. */
const FIRST_BYTES = 512 * 1024;
const OTHER_BYTES = 256 * 1024;
const BULK_PACKETS = 2048;

/** One source's packets, and how much of the link it has had. */
interface Queue {
  readonly backlog: PacketQueue;
  /** Bytes sent from it, on a scale that all queues share (start-time fair queueing). */
  served: number;
}

/**
 * Packets of several sources for one slow link. Each source has a queue, and the link takes a portion
 * from the one that has had least of it: whoever floods has a full queue of his own, and takes from
 * the others no more than a share like theirs. Queues are made when a source first needs one.
 */
export class FairQueue implements QueueDiscipline {
  readonly #sourceOf: (packets: Packets, i: number) => number;
  readonly #queues: (Queue | null)[] = new Array<Queue | null>(QUEUES).fill(null);
  /** How much the queue had been served that was last taken from: a new one begins there. */
  #virtual = 0;

  /** `sourceOf`: a number below `QUEUES` for packet i of a batch. */
  constructor(sourceOf: (packets: Packets, i: number) => number) {
    this.#sourceOf = sourceOf;
  }

  get dropped(): number {
    return this.#queues.reduce((sum, queue) => sum + (queue?.backlog.dropped ?? 0), 0);
  }

  get isEmpty(): boolean {
    return this.#queues.every((queue) => queue === null || queue.backlog.isEmpty);
  }

  put(from: Packets, first: number, now: number): number {
    for (let i = first; i < from.count; i++) {
      const queue = this.#queue(this.#sourceOf(from, i));
      // One that had nothing to send has saved nothing up.
      if (queue.backlog.isEmpty) queue.served = Math.max(queue.served, this.#virtual);
      if (!queue.backlog.add(from, i, now)) return i;
    }
    return from.count;
  }

  #queue(source: number): Queue {
    return this.#queues[source] ??= {
      backlog: new PacketQueue(source === 0 ? FIRST_BYTES : OTHER_BYTES, BULK_PACKETS),
      served: 0,
    };
  }

  take(into: Packets, room: PacketLayout, now: number): void {
    into.count = 0;
    const next = this.#leastServed();
    if (next === null) return;
    this.#virtual = next.served;
    next.backlog.take(into, room, now);
    for (let i = 0; i < into.count; i++) next.served += into.length[i]!;
  }

  #leastServed(): Queue | null {
    let least: Queue | null = null;
    for (const queue of this.#queues) {
      if (queue === null || queue.backlog.isEmpty) continue;
      if (least === null || queue.served < least.served) least = queue;
    }
    return least;
  }

  clear(): void {
    for (const queue of this.#queues) queue?.backlog.clear();
  }
}
