import type { Clock } from "../../contract/host.ts";
import type { Link, Packets } from "../../contract/packet.ts";
import { PacketQueue, type QueueDiscipline } from "./packet_queue.ts";

/** A link that has not taken a batch after so many milliseconds is slower than what comes. */
const PATIENCE = 5;

/** So long after the last backlog the link is still told to keep little unsent. */
const RELAX_AFTER = 1_000;

/** A burst of this size is no standing queue on any link that is slow enough to have a backlog. */
const BACKLOG_BYTES = 4 * 1024 * 1024;

/**
 * Gives a link the packets that come: at once while it takes them, by a backlog when it does not.
 * What the link takes goes its way untouched; only a slow link has a queue, and that is kept short
 * here, because what stands in the kernel's queues can neither be overtaken nor thrown away.
 */
export class SendQueue {
  readonly #link: Link;
  readonly #clock: Clock;
  /** The second of two batches that go by turns: one may be under way while the other is read. */
  #spare: Packets;
  readonly #makeBacklog: () => QueueDiscipline;
  #backlog: QueueDiscipline | null = null;
  /** Packets for which the backlog had no room. */
  #droppedFull = 0;
  #draining = false;
  #isTight = false;
  #drainedAt = 0;
  #failure: { error: unknown } | null = null;
  #onRoom: (() => void) | null = null;

  /**
   * `spare` is lent. `backlog` makes the queue, once the link is slow for the first time. What breaks
   * the link ends it, so that whoever waits in `recv` is told.
   */
  constructor(link: Link, o: { clock: Clock; spare: Packets; backlog?: () => QueueDiscipline }) {
    this.#makeBacklog = o.backlog ?? (() => new PacketQueue(BACKLOG_BYTES));
    this.#link = link;
    this.#clock = o.clock;
    this.#spare = o.spare;
  }

  /** What broke the link while it was sent to. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Packets that were thrown away because they, or what was before them, had waited too long. */
  get droppedLate(): number {
    return this.#droppedFull + (this.#backlog?.dropped ?? 0);
  }

  /** Takes the batch over; gives back one to read into, this or the other. Never throws. */
  offer(packets: Packets): Packets | Promise<Packets> {
    if (this.#draining) return this.#queue(packets);
    if (this.#failure !== null) return packets;
    try {
      this.#relax();
      const sending = this.#link.send(packets);
      return sending instanceof Promise ? this.#wait(sending, packets) : packets;
    } catch (error) {
      this.#fail(error);
      return packets;
    }
  }

  /**
   * The same for one of many links: it never waits, so that no link holds up another. What finds no
   * room is dropped.
   */
  offerNow(packets: Packets): Packets {
    if (this.#draining) {
      const now = this.#clock.now();
      for (let i = 0; (i = this.#queued.put(packets, i, now)) < packets.count; i++) {
        this.#droppedFull++;
      }
      return packets;
    }
    if (this.#failure !== null) return packets;
    try {
      this.#relax();
      const sending = this.#link.send(packets);
      return sending instanceof Promise
        ? this.#beginDrain(this.#settled(sending), packets)
        : packets;
    } catch (error) {
      this.#fail(error);
      return packets;
    }
  }

  /** A promise that never rejects: a failure is noted. */
  #settled(sending: Promise<void>): Promise<true> {
    return sending.then(() => true, (error) => {
      this.#fail(error);
      return true;
    });
  }

  async #wait(sending: Promise<void>, packets: Packets): Promise<Packets> {
    const settled = this.#settled(sending);
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    using _timer = this.#clock.after(PATIENCE, () => resolve(false));
    if (await Promise.race([settled, late])) return packets;
    return this.#beginDrain(settled, packets);
  }

  /** The batch is still being sent: what comes goes into the backlog, by way of the other batch. */
  #beginDrain(settled: Promise<true>, packets: Packets): Packets {
    const other = this.#spare;
    this.#spare = packets;
    this.#draining = true;
    void this.#drain(settled);
    return other;
  }

  get #queued(): QueueDiscipline {
    return this.#backlog ??= this.#makeBacklog();
  }

  /** Sends what is in the backlog until there is nothing more. */
  async #drain(first: Promise<true>): Promise<void> {
    const backlog = this.#queued;
    try {
      await first;
      if (!backlog.isEmpty) this.#tighten(true);
      while (!backlog.isEmpty && this.#failure === null) {
        backlog.take(this.#spare, this.#link.room, this.#clock.now());
        this.#wakeReader();
        if (this.#spare.count > 0) await this.#link.send(this.#spare);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#drainedAt = this.#clock.now();
    this.#draining = false;
    this.#wakeReader();
  }

  async #queue(packets: Packets): Promise<Packets> {
    const backlog = this.#queued;
    for (let i = 0; this.#draining;) {
      i = backlog.put(packets, i, this.#clock.now());
      if (i === packets.count) return packets;
      // Full: what comes now waits in the device, which drops what it cannot hold.
      await new Promise<void>((resolve) => this.#onRoom = resolve);
      removeFront(packets, i);
      i = 0;
    }
    return await this.offer(packets); // the backlog has gone meanwhile
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
    this.#backlog?.clear();
    void this.#link[Symbol.asyncDispose]();
  }
}

/** Takes the first `count` packets out of the batch. */
function removeFront(packets: Packets, count: number): void {
  packets.offset.copyWithin(0, count, packets.count);
  packets.length.copyWithin(0, count, packets.count);
  packets.header.copyWithin(0, count, packets.count);
  packets.count -= count;
}
