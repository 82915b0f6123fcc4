import type { Cidr } from "../../base/addr.ts";
import {
  LayoutCursor,
  makePackets,
  MAX_SUPER_PACKET,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import type { Link } from "../../contract/link.ts";
import type { Clock } from "../../contract/host.ts";
import type { Traffic } from "./counters.ts";
import { FairQueue } from "./fair_queue.ts";
import type { PacketFilter } from "./packet_filter.ts";
import { SendQueue } from "./send_queue.ts";
import type { Port, PortOptions } from "./tun_router.ts";

/** Bytes of either batch buffer: one of the largest packets and a batch of usual ones. */
const PORT_ARENA = 2 * MAX_SUPER_PACKET;

/** One of many ports, with its packets that were read and not sent yet. */
export class PoolPort implements Port {
  readonly link: Link;
  readonly queue: SendQueue;
  readonly peer: string;
  readonly addresses: readonly Cidr[];
  /** Of its client; "" = none. */
  readonly name: string;
  readonly traffic: Traffic;
  readonly session: object | undefined;
  /** Ports that were attached before it. */
  readonly number: number;
  readonly #filter: PacketFilter;
  #packets = makePackets(PORT_ARENA);
  #cursor: LayoutCursor;

  /** `sourceOf` returns the queue number of packet i of a batch, for fair queueing. */
  constructor(
    link: Link,
    { peer, addresses, name = "", traffic, session }: PortOptions,
    o: {
      readonly number: number;
      readonly clock: Clock;
      readonly filter: PacketFilter;
      readonly sourceOf: (packets: Packets, i: number) => number;
    },
  ) {
    this.link = link;
    this.peer = peer;
    this.addresses = addresses;
    this.name = name;
    this.traffic = traffic;
    this.session = session;
    this.number = o.number;
    this.#filter = o.filter;
    this.queue = new SendQueue(link, {
      clock: o.clock,
      spare: makePackets(PORT_ARENA),
      makeQueue: () => new FairQueue(o.sourceOf),
    });
    this.#cursor = new LayoutCursor(link.layout);
  }

  /** Copies packet i and its header in the layout of the port's link. */
  add(from: Packets, i: number): void {
    const length = from.length[i]!;
    const { layout } = this.link;
    const isFull = this.#packets.count === this.#packets.offset.length ||
      this.#cursor.at + length + layout.tailroom + layout.groupTailroom >
        this.#packets.bytes.length;
    if (isFull) this.flush();
    const to = this.#packets;
    const { at } = this.#cursor;
    const source = from.offset[i]!;
    const before = from.hasHeader[i] === 0 ? 0 : VIRTIO_NET_HEADER;
    to.bytes.set(from.bytes.subarray(source - before, source + length), at - before);
    to.offset[to.count] = at;
    to.length[to.count] = length;
    to.hasHeader[to.count] = from.hasHeader[i]!;
    to.count++;
    this.#cursor.next(length);
  }

  flush(): void {
    this.#filter.keepForPeer(this.#packets, this.link.offload, this.traffic);
    if (this.#packets.count > 0) this.#packets = this.queue.offerNow(this.#packets);
    this.#packets.count = 0;
    this.#cursor = new LayoutCursor(this.link.layout);
  }

  has(bytes: Uint8Array, at: number, size: number): boolean {
    for (const address of this.addresses) {
      if (address.bytes.length === size && isAt(bytes, at, address.bytes)) return true;
    }
    return false;
  }
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
