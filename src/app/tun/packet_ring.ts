import { type Packets, VIRTIO_NET_HEADER } from "../../contract/batch.ts";

/** A packet in the ring; before it there is space for its virtio_net_hdr. */
export interface Queued {
  at: number;
  length: number;
  hasHeader: number;
  /** Time of arrival on the clock of the caller of `add`. */
  since: number;
  flow: number;
}

/** A FIFO of packet copies in one byte array of fixed size. */
export class PacketRing {
  readonly bytes: Uint8Array;
  readonly #queue: Queued[];
  #first = 0;
  #count = 0;
  #end = 0;

  constructor(size: number, most: number) {
    this.bytes = new Uint8Array(size);
    this.#queue = Array.from(
      { length: most },
      () => ({ at: 0, length: 0, hasHeader: 0, since: 0, flow: 0 }),
    );
  }

  get count(): number {
    return this.#count;
  }

  /** Copies packet i with its header; returns false if it does not fit. */
  add(from: Packets, i: number, since: number, flow: number): boolean {
    if (this.#count === this.#queue.length) return false;
    const length = from.length[i]!;
    const start = this.#placeFor(VIRTIO_NET_HEADER + length);
    if (start === null) return false;
    const at = start + VIRTIO_NET_HEADER;
    const source = from.offset[i]!;
    const before = from.hasHeader[i] === 0 ? 0 : VIRTIO_NET_HEADER;
    this.bytes.set(from.bytes.subarray(source - before, source + length), at - before);
    const entry = this.#queue[(this.#first + this.#count) % this.#queue.length]!;
    entry.at = at;
    entry.length = length;
    entry.hasHeader = from.hasHeader[i]!;
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

  peek(): Queued | null {
    return this.#count === 0 ? null : this.#queue[this.#first]!;
  }

  /** Removes the oldest packet; its bytes remain valid until the next `add`. */
  drop(): void {
    this.#first = (this.#first + 1) % this.#queue.length;
    this.#count--;
  }

  clear(): void {
    this.#first = this.#count = this.#end = 0;
  }
}
