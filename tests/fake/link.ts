import { TtunError } from "../../src/base/errors.ts";
import { type PacketLayout, type Packets, VIRTIO_NET_HEADER } from "../../src/contract/batch.ts";
import type { Link } from "../../src/contract/link.ts";
import type { MaybePromise } from "../../src/contract/stream.ts";
import type { FakeClock } from "./clock.ts";
import { copiesOf, LAYOUTS } from "./layouts.ts";

/** A link whose other end is the test, and which sees to it that its batches are left alone. */
export class FakeLink implements Link {
  readonly layout: PacketLayout;
  offload: number;
  /** Packets that are through, as copies, and the virtio_net_hdr of each, null where there is none. */
  readonly sent: Uint8Array[] = [];
  readonly headers: (Uint8Array | null)[] = [];
  /** The batches that were sent, as they were given, and how many packets were in each. */
  readonly batches: Packets[] = [];
  readonly counts: number[] = [];
  /** Where each batch's packets lay, and how long they were. */
  readonly offsets: number[][] = [];
  readonly lengths: number[][] = [];
  /** Arguments of the calls of `limitUnsent`. */
  readonly little: boolean[] = [];
  disposed = 0;
  /** How often it was given packets, also when it was closed already. */
  asked = 0;
  /** How a batch is taken: at once, or when the promise settles. */
  onSend: () => MaybePromise<void> = () => {};
  onHoldLittle: () => void = () => {};
  #isSending = false;
  readonly #closed = Promise.withResolvers<never>();
  readonly #queue: Received[][] = [];
  #waiting: PromiseWithResolvers<void> | null = null;
  #end: { error: unknown } | null = null;

  constructor(o: { layout?: PacketLayout; offload?: number } = {}) {
    this.layout = o.layout ?? LAYOUTS["version 2"]!;
    this.offload = o.offload ?? 0;
    this.#closed.promise.catch(() => {}); // whoever sends is told
  }

  send(batch: Packets): MaybePromise<void> {
    this.asked++;
    if (this.#isSending) throw new Error("Two senders at once: the contract has one");
    if (this.disposed > 0) throw closedHere();
    this.batches.push(batch);
    this.counts.push(batch.count);
    this.offsets.push([...batch.offset.subarray(0, batch.count)]);
    this.lengths.push([...batch.length.subarray(0, batch.count)]);
    const before = snapshot(batch);
    const sending = this.onSend();
    if (sending instanceof Promise) return this.#sendLater(sending, batch, before);
    this.#done(batch);
  }

  async #sendLater(sending: Promise<void>, batch: Packets, before: string): Promise<void> {
    this.#isSending = true;
    try {
      await Promise.race([sending, this.#closed.promise]);
      if (snapshot(batch) !== before) throw new Error("A batch was changed while it was lent");
      this.#done(batch);
    } finally {
      this.#isSending = false;
    }
  }

  #done(batch: Packets): void {
    this.sent.push(...copiesOf(batch));
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offset[i]!;
      this.headers.push(
        batch.hasHeader[i] === 0 ? null : batch.bytes.slice(at - VIRTIO_NET_HEADER, at),
      );
    }
    batch.bytes.fill(0xdd, batch.offset[0]! - this.layout.headroom, endOf(batch)); // sealed
  }

  limitUnsent(little: boolean): void {
    this.onHoldLittle();
    this.little.push(little);
  }

  /** Lets the peer send a batch. */
  deliver(...packets: (Uint8Array | Received)[]): void {
    this.#queue.push(packets.map((p) => p instanceof Uint8Array ? { header: null, packet: p } : p));
    this.#wake();
  }

  /** Lets the peer end the link, or breaks it. */
  end(error: unknown = null): void {
    this.#end ??= { error };
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  onReceivable(run: () => void): void {
    (this.#waiting ??= Promise.withResolvers()).promise.then(run);
  }

  recvNow(into: Packets): number | undefined {
    if (this.disposed > 0) throw closedHere();
    const next = this.#queue.shift();
    if (next === undefined && this.#end === null) return undefined;
    if (next === undefined) {
      if (this.#end!.error !== null) throw this.#end!.error;
      return into.count = 0;
    }
    into.bytes = new Uint8Array(next.reduce((sum, { packet }) => sum + 16 + packet.length, 0));
    let at = 0;
    for (const [i, { header, packet }] of next.entries()) {
      at += 16;
      if (header !== null) into.bytes.set(header, at - VIRTIO_NET_HEADER);
      into.bytes.set(packet, at);
      into.offset[i] = at;
      into.length[i] = packet.length;
      into.hasHeader[i] = header === null ? 0 : 1;
      at += packet.length;
    }
    return into.count = next.length;
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    this.#closed.reject(closedHere());
    this.#wake();
  }
}

/** A packet of the peer's, and its virtio_net_hdr. */
export interface Received {
  readonly header: Uint8Array | null;
  readonly packet: Uint8Array;
}

function closedHere(): TtunError {
  return new TtunError("lost", "the link was closed here");
}

function endOf({ count, offset, length }: Packets): number {
  return offset[count - 1]! + length[count - 1]!;
}

/** All of a batch that must not change while it is lent. */
function snapshot(batch: Packets): string {
  const { count, offset, length, hasHeader } = batch;
  const numbers = [offset, length, hasHeader].map((list) => list.subarray(0, count).join());
  const headers = Array.from({ length: count }, (_, i) => i).map((i) => {
    return hasHeader[i] === 0 ? "" : batch.bytes.slice(offset[i]! - VIRTIO_NET_HEADER, offset[i]);
  });
  return [count, ...numbers, headers.join(), ...copiesOf(batch).map(sumOf)].join(" ");
}

/** FNV-1a: enough to see a change. */
function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 0x0100_0193), 0x811c_9dc5 | 0);
}

/** Takes batches for as long as `ms` each. */
export function slowly(clock: FakeClock, ms: number): () => Promise<void> {
  return () => new Promise((resolve) => void clock.after(ms, resolve));
}

/** Takes a batch when it is told to: one at a time. */
export class Hold {
  #held: PromiseWithResolvers<void> | null = null;
  readonly onSend = (): Promise<void> => {
    this.#held = Promise.withResolvers();
    return this.#held.promise;
  };

  get isHeld(): boolean {
    return this.#held !== null;
  }

  release(): void {
    this.#held!.resolve();
    this.#held = null;
  }

  fail(error: unknown): void {
    this.#held!.reject(error);
    this.#held = null;
  }
}
