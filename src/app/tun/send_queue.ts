import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Link } from "../../contract/link.ts";
import type { Packets } from "../../contract/batch.ts";
import { PacketQueue, type QueueDiscipline } from "./packet_queue.ts";

/** Milliseconds; a link that takes longer for a batch is slower than the input. */
const PATIENCE = 5;

/** Milliseconds after the last queueing until the kernel may hold the usual unsent data. */
const RELAX_AFTER = 1_000;

/** Bytes; on a link slow enough to need a queue a burst of this size does not stand. */
const QUEUE_BYTES = 4 * 1024 * 1024;

/**
 * Passes packets to a link, through a queue if it does not accept them. The queue is here and not
 * in the kernel, where packets can neither be reordered nor dropped.
 */
export class SendQueue {
  readonly #link: Link;
  readonly #clock: Clock;
  /** One of two batches may be in flight while the other is filled. */
  #spare: Packets;
  readonly #makeQueue: () => QueueDiscipline;
  #packetQueue: QueueDiscipline | null = null;
  #droppedFull = 0;
  #isDraining = false;
  #isTight = false;
  #drainedAt = 0;
  #failure: { error: unknown } | null = null;
  #onRoom: (() => void) | null = null;
  #isReplaced = false;

  /**
   * `spare` is borrowed; `makeQueue` is called when the link is slow for the first time. An error
   * of the link closes it, so that its receiver is told.
   */
  constructor(link: Link, o: { clock: Clock; spare: Packets; makeQueue?: () => QueueDiscipline }) {
    this.#makeQueue = o.makeQueue ?? (() => new PacketQueue(QUEUE_BYTES));
    this.#link = link;
    this.#clock = o.clock;
    this.#spare = o.spare;
  }

  /** The error of the link while sending; null = none. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Packets dropped because they, or those before them, had waited too long. */
  get droppedLate(): number {
    return this.#droppedFull + (this.#packetQueue?.dropped ?? 0);
  }

  /**
   * Another link of the session takes the packets from now on, or does no more. Nobody waits for a
   * link that was replaced: what it has no room for is dropped.
   */
  set isReplaced(is: boolean) {
    this.#isReplaced = is;
    this.#wakeReader();
  }

  /** Takes ownership of the batch; returns the one to fill next. Never throws. */
  offer(packets: Packets): Packets | Promise<Packets> {
    if (this.#isDraining) return this.#enqueue(packets);
    const sending = this.#send(packets);
    return sending === null ? packets : this.#wait(sending, packets);
  }

  /** Never waits, so that no link delays another; drops packets that do not fit. */
  offerNow(packets: Packets): Packets {
    if (this.#isDraining) {
      const now = this.#clock.now();
      for (let i = 0; (i = this.#packets.put(packets, i, now)) < packets.count; i++) {
        this.#droppedFull++;
      }
      return packets;
    }
    const sending = this.#send(packets);
    return sending === null ? packets : this.#beginDrain(sending, packets);
  }

  /** Null: the link has accepted or failed. The promise never rejects; a failure is recorded. */
  #send(packets: Packets): Promise<true> | null {
    if (this.#failure !== null) return null;
    try {
      this.#relax();
      const sending = this.#link.send(packets);
      if (!(sending instanceof Promise)) return null;
      return sending.then(() => true, (error) => {
        this.#fail(error);
        return true;
      });
    } catch (error) {
      this.#fail(error);
      return null;
    }
  }

  async #wait(sending: Promise<true>, packets: Packets): Promise<Packets> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    using _timer = this.#clock.after(PATIENCE, () => resolve(false));
    if (await Promise.race([sending, late])) return packets;
    return this.#beginDrain(sending, packets);
  }

  /** The batch is still being sent; new packets arrive in the other batch. */
  #beginDrain(sending: Promise<true>, packets: Packets): Packets {
    const other = this.#spare;
    this.#spare = packets;
    this.#isDraining = true;
    void this.#drain(sending); // never rejects: a failure is noted for the next call
    return other;
  }

  get #packets(): QueueDiscipline {
    return this.#packetQueue ??= this.#makeQueue();
  }

  async #drain(first: Promise<true>): Promise<void> {
    const queue = this.#packets;
    try {
      await first;
      if (!queue.isEmpty) this.#tighten(true);
      while (!queue.isEmpty && this.#failure === null) {
        queue.take(this.#spare, this.#link.layout, this.#clock.now());
        this.#wakeReader();
        if (this.#spare.count > 0) await this.#link.send(this.#spare);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#drainedAt = this.#clock.now();
    this.#isDraining = false;
    this.#wakeReader();
  }

  async #enqueue(packets: Packets): Promise<Packets> {
    const queue = this.#packets;
    for (let i = 0; this.#isDraining;) {
      i = queue.put(packets, i, this.#clock.now());
      if (i === packets.count) return packets;
      if (this.#isReplaced) {
        this.#droppedFull += packets.count - i;
        return packets;
      }
      // The queue is full: packets wait in the device, which drops those that it cannot hold.
      await new Promise<void>((resolve) => this.#onRoom = resolve);
      removeFront(packets, i);
      i = 0;
    }
    return await this.offer(packets); // the queue was emptied meanwhile
  }

  #wakeReader(): void {
    this.#onRoom?.();
    this.#onRoom = null;
  }

  #relax(): void {
    if (this.#isTight && this.#clock.now() - this.#drainedAt > RELAX_AFTER) this.#tighten(false);
  }

  #tighten(isTight: boolean): void {
    this.#isTight = isTight;
    this.#link.limitUnsent(isTight);
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#packetQueue?.clear();
    startClose(this.#link);
  }
}

function removeFront(packets: Packets, count: number): void {
  packets.offset.copyWithin(0, count, packets.count);
  packets.length.copyWithin(0, count, packets.count);
  packets.hasHeader.copyWithin(0, count, packets.count);
  packets.count -= count;
}
