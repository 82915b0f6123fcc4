import { VIRTIO_NET_HEADER } from "../../base/packets.ts";
import type { Packets } from "../../contract/packet.ts";

/** A packet as it lies in the ring: with room for its virtio_net_hdr before it. */
export interface Queued {
  at: number;
  length: number;
  header: number;
  /** When it came, on the clock of whoever put it in. */
  since: number;
  flow: number;
}

/** First in, first out, in one byte array that is never larger: copies of packets. */
export class PacketRing {
  readonly bytes: Uint8Array;
  readonly #queue: Queued[];
  #first = 0;
  #count = 0;
  /** Where the next one goes. */
  #end = 0;

  constructor(size: number, most: number) {
    this.bytes = new Uint8Array(size);
    this.#queue = Array.from(
      { length: most },
      () => ({ at: 0, length: 0, header: 0, since: 0, flow: 0 }),
    );
  }

  get count(): number {
    return this.#count;
  }

  /** Copies packet i of the batch, and its header; false when there is no room. */
  add(from: Packets, i: number, since: number, flow: number): boolean {
    if (this.#count === this.#queue.length) return false;
    const length = from.length[i]!;
    const start = this.#placeFor(VIRTIO_NET_HEADER + length);
    if (start === null) return false;
    const at = start + VIRTIO_NET_HEADER;
    const source = from.offset[i]!;
    const before = from.header[i] === 0 ? 0 : VIRTIO_NET_HEADER;
    this.bytes.set(from.bytes.subarray(source - before, source + length), at - before);
    const entry = this.#queue[(this.#first + this.#count) % this.#queue.length]!;
    entry.at = at;
    entry.length = length;
    entry.header = from.header[i]!;
    entry.since = since;
    entry.flow = flow;
    this.#count++;
    this.#end = at + length;
    return true;
  }

  #placeFor(size: number): number | null {
    if (this.#count === 0) this.#end = 0;
    const begin = this.#count === 0 ? 0 : this.#queue[this.#first]!.at - VIRTIO_NET_HEADER;
    const isWrapped = this.#count > 0 && this.#end <= begin;
    if (isWrapped) return this.#end + size <= begin ? this.#end : null;
    if (this.#end + size <= this.bytes.length) return this.#end;
    return size <= begin ? 0 : null;
  }

  /** The oldest packet, or null. */
  peek(): Queued | null {
    return this.#count === 0 ? null : this.#queue[this.#first]!;
  }

  /** Lets the oldest packet go; its bytes stand until the next `add`. */
  drop(): void {
    this.#first = (this.#first + 1) % this.#queue.length;
    this.#count--;
  }

  clear(): void {
    this.#first = this.#count = this.#end = 0;
  }
}
