import {
  LayoutCursor,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import { CoDel } from "../../core/ip/codel.ts";
import { flowOf } from "../../core/ip/header.ts";
import { PacketRing, type Queued } from "./packet_ring.ts";

/** Bytes; small packets (keystrokes, calls, acknowledgements, name queries) go before bulk. */
const SMALL = 256;
const SMALL_BYTES = 128 * 1024;
const SMALL_PACKETS = 1024;

const BULK_PACKETS = 8192;

/** Bytes that go to the link at once, or one larger packet; then small packets get their turn. */
const PORTION = 32 * 1024;

/** CoDel in milliseconds: RFC 8289, with allowance for a 64 KB packet on a slow link. */
const TARGET = 20;
const INTERVAL = 100;

/** Mask of the flow hash bits that distinguish flows. */
const FLOW_MASK = 0xfff;

export interface QueueDiscipline {
  /** Packets dropped because they had waited too long. */
  readonly dropped: number;
  readonly isEmpty: boolean;
  /** Adds packets from `first` on; returns the index of the first that did not fit. */
  put(from: Packets, first: number, now: number): number;
  /** Fills the batch with the next portion, laid out as `layout` says. It may be empty. */
  take(into: Packets, layout: PacketLayout, now: number): void;
  clear(): void;
}

/** Priority for small packets, CoDel for bulk. A small packet never overtakes its own flow. */
export class PacketQueue implements QueueDiscipline {
  dropped = 0;
  readonly #small = new PacketRing(SMALL_BYTES, SMALL_PACKETS);
  readonly #bulk: PacketRing;
  readonly #codel = new CoDel({ targetMs: TARGET, intervalMs: INTERVAL });
  /** Queued bulk packets by flow. */
  readonly #flows = new Uint16Array(FLOW_MASK + 1);

  /** Capacity for bulk; `bulkBytes` holds at least one of the largest packets. */
  constructor(bulkBytes: number, bulkPackets: number = BULK_PACKETS) {
    this.#bulk = new PacketRing(bulkBytes, bulkPackets);
  }

  get isEmpty(): boolean {
    return this.#small.count + this.#bulk.count === 0;
  }

  put(from: Packets, first: number, now: number): number {
    for (let i = first; i < from.count; i++) if (!this.add(from, i, now)) return i;
    return from.count;
  }

  /** Returns false if packet i does not fit. */
  add(from: Packets, i: number, now: number): boolean {
    const length = from.length[i]!;
    const flow = flowOf(from.bytes, from.offset[i]!, length) & FLOW_MASK;
    const isSmall = length <= SMALL && this.#flows[flow] === 0;
    if (isSmall && this.#small.add(from, i, now, flow)) return true;
    if (!this.#bulk.add(from, i, now, flow)) return false;
    this.#flows[flow]!++;
    return true;
  }

  take(into: Packets, layout: PacketLayout, now: number): void {
    const cursor = new LayoutCursor(layout);
    into.count = 0;
    const begin = cursor.at;
    for (let next = this.#small.peek(); next !== null; next = this.#small.peek()) {
      if (cursor.at - begin > PORTION || into.count === into.offset.length) return;
      this.#give(next, this.#small, into, cursor);
    }
    for (let next = this.#bulk.peek(); next !== null; next = this.#bulk.peek()) {
      const isFull = into.count > 0 && cursor.at + next.length - begin > PORTION;
      if (isFull || into.count === into.offset.length) return;
      this.#flows[next.flow]!--;
      if (this.#codel.drops(now, now - next.since, this.#bulk.count === 1)) {
        this.dropped++;
        this.#bulk.drop();
      } else this.#give(next, this.#bulk, into, cursor);
    }
  }

  #give(
    { at, length, hasHeader }: Queued,
    ring: PacketRing,
    into: Packets,
    cursor: LayoutCursor,
  ): void {
    const i = into.count++;
    const before = hasHeader === 0 ? 0 : VIRTIO_NET_HEADER;
    into.bytes.set(ring.bytes.subarray(at - before, at + length), cursor.at - before);
    into.offset[i] = cursor.at;
    into.length[i] = length;
    into.hasHeader[i] = hasHeader;
    cursor.next(length);
    ring.drop();
  }

  clear(): void {
    this.#small.clear();
    this.#bulk.clear();
    this.#flows.fill(0);
  }
}
