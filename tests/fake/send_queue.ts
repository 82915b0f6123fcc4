import { makePackets, MAX_PACKET, type Packets } from "../../src/contract/batch.ts";
import { PacketQueue } from "../../src/app/tun/packet_queue.ts";
import { SendQueue } from "../../src/app/tun/send_queue.ts";
import { FakeClock } from "./clock.ts";
import { FakeLink } from "./link.ts";
import { fill } from "./layouts.ts";

/** State of an offer. */
export interface Offered {
  /** The batch that came back; null while the reader waits for it. */
  back: Packets | null;
  /** When it came back. */
  at: number;
  /** True if it came back without a promise. */
  readonly isNow: boolean;
}

/** A send queue, its link, and a reader that fills the batch which it has. */
export class SendQueueWorld {
  readonly clock = new FakeClock();
  readonly link = new FakeLink();
  readonly batches = [makePackets(4 * MAX_PACKET), makePackets(4 * MAX_PACKET)] as const;
  readonly queue: SendQueue;
  /** The reader's; null while it waits. */
  #batch: Packets | null = this.batches[0];

  constructor(queueBytes?: number) {
    this.queue = new SendQueue(this.link, {
      clock: this.clock,
      spare: this.batches[1],
      ...(queueBytes !== undefined && { makeQueue: () => new PacketQueue(queueBytes) }),
    });
  }

  /** True if the reader has no batch and so cannot offer one. */
  get isWaiting(): boolean {
    return this.#batch === null;
  }

  #fill(packets: Uint8Array[]): Packets {
    if (this.#batch === null) throw new Error("The reader still waits");
    return fill(this.#batch, this.link.layout, packets);
  }

  /** Reads these packets, and offers them. */
  offer(...packets: Uint8Array[]): Offered {
    const next = this.queue.offer(this.#fill(packets));
    this.#batch = null;
    const offered: Offered = { back: null, at: NaN, isNow: !(next instanceof Promise) };
    const take = (batch: Packets) => {
      this.#batch = batch;
      Object.assign(offered, { back: batch, at: this.clock.now() });
    };
    if (next instanceof Promise) next.then(take);
    else take(next);
    return offered;
  }

  offerNow(...packets: Uint8Array[]): Packets {
    return this.#batch = this.queue.offerNow(this.#fill(packets));
  }
}
