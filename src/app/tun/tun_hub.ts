import type { Logger } from "../../base/log.ts";
import {
  LayoutCursor,
  makePackets,
  MAX_SUPER_PACKET,
  Offload,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import { addressSize, sourceOffset } from "../../core/ip/header.ts";
import { ClientNetworks } from "../../core/ip/client_networks.ts";
import { carryFromDevice, carryToDevice, READ_ARENA } from "./device_loop.ts";
import { FairQueue, QUEUES } from "./fair_queue.ts";
import { SendQueue } from "./send_queue.ts";
import { PacketFilter } from "./packet_filter.ts";
import { type Member, noPackets, type PacketService } from "./packet_service.ts";
import type { PumpOptions } from "./tun_pump.ts";

/**
 * Bytes of each member's batch buffer (it has two): one of the largest packets and a batch of
 * usual ones.
 */
const MEMBER_ARENA = 2 * MAX_SUPER_PACKET;

/**
 * A device turn is longer than the turns of all members that may flood it: packets already read
 * are delivered before more are accepted, so the kernel's queue, which all share, stays short.
 */
const DEVICE_WEIGHT = 0.5;
const MEMBER_WEIGHT = 2;
/** Up to this many members share the turn length of one. */
const SHARING = 4;

/**
 * Carries packets between one device and many links. A packet of the device goes to the member
 * that has its destination address or the network with it; a packet of a member must have such an
 * address as its source.
 */
export class TunHub implements PacketService {
  readonly device: Device;
  readonly counters = noPackets();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #filter: PacketFilter;
  /** Members by the last four bytes of each address, which are unique in an address pool. */
  readonly #routes = { 4: new Map<number, Seat>(), 16: new Map<number, Seat>() };
  readonly #networks: ClientNetworks;
  /** By network number: the member that the network is behind, or null if it is not connected. */
  readonly #behind: (Seat | null)[];
  readonly #seats = new Set<Seat>();
  /** Number of members that have joined so far. */
  #joined = 0;
  readonly #layout: PacketLayout;
  /** The offload last agreed on; null before the first member. */
  #offload: number | null = null;

  constructor(
    device: Device,
    clock: Clock,
    o: PumpOptions & { log: Logger; networks?: ClientNetworks },
  ) {
    this.device = device;
    this.#networks = o.networks ?? new ClientNetworks([]);
    this.#behind = this.#networks.list.map(() => null);
    this.#clock = clock;
    this.#log = o.log;
    this.#filter = new PacketFilter({ device, clock, counters: this.counters, ...o });
    const { headroom } = device;
    this.#layout = { header: 0, headroom, tailroom: 0, trailer: 0, group: Infinity };
  }

  get sessions(): number {
    return this.#seats.size;
  }

  async run(signal: AbortSignal): Promise<never> {
    using _tie = onAbort(signal, () => startClose(this.device));
    const touched = new Set<Seat>();
    const batch = makePackets(READ_ARENA);
    const take = (packets: Packets) => {
      for (let i = 0; i < packets.count; i++) {
        const seat = this.#seatFor(packets, i);
        if (seat === null) this.counters.droppedWithoutPeer++;
        else touched.add(seat.take(packets, i));
      }
      for (const seat of touched) seat.flush();
      touched.clear();
      return packets;
    };
    const { device } = this;
    return await carryFromDevice(device, this.#clock, this.#layout, batch, take, DEVICE_WEIGHT);
  }

  /** Returns the member that packet i is for. */
  #seatFor({ bytes, offset, length }: Packets, i: number): Seat | null {
    const size = addressSize(bytes, offset[i]!, length[i]!);
    return size === 0 ? null : this.#seatAt(bytes, offset[i]! + sourceOffset(size) + size, size);
  }

  /**
   * Returns 0 if the packet's source is not a member, otherwise a number that the member shares
   * with few others.
   */
  readonly #sourceOf = ({ bytes, offset, length }: Packets, i: number): number => {
    const size = addressSize(bytes, offset[i]!, length[i]!);
    const from = size === 0 ? null : this.#seatAt(bytes, offset[i]! + sourceOffset(size), size);
    return from === null ? 0 : 1 + from.number % (QUEUES - 1);
  };

  /** Returns the member with the address at `at`. */
  #seatAt(bytes: Uint8Array, at: number, size: 4 | 16): Seat | null {
    const seat = this.#routes[size].get(wordAt(bytes, at + size - 4));
    return seat?.has(bytes, at, size) === true ? seat : this.#seatBefore(bytes, at, size);
  }

  /** Returns the member whose network contains the address at `at`. */
  #seatBefore(bytes: Uint8Array, at: number, size: 4 | 16): Seat | null {
    if (this.#behind.length === 0) return null;
    return this.#behind[this.#networks.find(bytes, at, size)] ?? null;
  }

  async session(link: Link, member: Member): Promise<void> {
    const seat = new Seat(link, member, {
      number: this.#joined++,
      clock: this.#clock,
      filter: this.#filter,
      sourceOf: this.#sourceOf,
    });
    this.#join(seat);
    const keep = (packets: Packets) => {
      this.#keepOwn(packets, seat);
      this.#filter.keepForDevice(packets, link.offload, member.traffic);
    };
    const weight = () => MEMBER_WEIGHT * Math.min(this.#seats.size, SHARING);
    try {
      member.onUp?.();
      await carryToDevice(link, this.device, this.#clock, keep, weight);
    } catch (error) {
      throw seat.outbox.failure?.error ?? error;
    } finally {
      this.#leave(seat);
      this.counters.droppedLate += seat.outbox.droppedLate;
    }
  }

  #join(seat: Seat): void {
    this.#seats.add(seat);
    for (const { bytes } of seat.member.addresses) this.#routesOf(bytes).set(lastWord(bytes), seat);
    for (const number of seat.member.networks ?? []) this.#behind[number] ??= seat;
    this.#agreeOnOffload(`${seat.member.peer} does not take all of it`);
  }

  #leave(seat: Seat): void {
    this.#seats.delete(seat);
    for (const { bytes } of seat.member.addresses) {
      const routes = this.#routesOf(bytes);
      if (routes.get(lastWord(bytes)) === seat) routes.delete(lastWord(bytes));
    }
    const left = (seat.member.networks ?? []).filter((number) => this.#behind[number] === seat);
    for (const number of left) this.#behind[number] = null;
    if (left.length > 0) this.#handOver(left);
    if (this.#seats.size > 0) this.#agreeOnOffload(`${seat.member.peer} has left`);
    else this.#offload = null;
  }

  /** Passes networks on to the next member with the same client name. */
  #handOver(numbers: readonly number[]): void {
    for (const next of this.#seats) {
      const taken = next.member.networks?.filter((number) =>
        numbers.includes(number) && this.#behind[number] === null
      ) ?? [];
      if (taken.length === 0) {
        continue;
      }
      for (const number of taken) {
        this.#behind[number] = next;
      }
      this.#log.info("networks are behind another client of their client's name now", {
        peer: next.member.peer,
        networks: this.#networks.text(taken),
      });
    }
  }

  #routesOf({ length }: Uint8Array): Map<number, Seat> {
    return this.#routes[length === 4 ? 4 : 16];
  }

  /** Enables only the offloads that all members support. */
  #agreeOnOffload(why: string): void {
    let mask: number = this.device.takes;
    for (const { link } of this.#seats) mask &= link.offload;
    const before = this.#offload;
    this.device.setOffload(mask);
    this.#offload = mask;
    if (before !== null && mask !== before) {
      this.#log.warn("offload for all clients has changed", { offload: offloadText(mask), why });
    } else if (before === null && mask === Offload.none && this.device.takes !== Offload.none) {
      this.#log.warn("offload is off for all clients", { why });
    }
  }

  #mayComeFrom(seat: Seat, bytes: Uint8Array, source: number, size: 4 | 16): boolean {
    return seat.has(bytes, source, size) || this.#seatBefore(bytes, source, size) === seat;
  }

  /** Removes packets whose source is not one of the member's addresses or networks. */
  #keepOwn(packets: Packets, seat: Seat): void {
    const { bytes, offset, length, header } = packets;
    let kept = 0;
    for (let i = 0; i < packets.count; i++) {
      const size = addressSize(bytes, offset[i]!, length[i]!);
      // Packets that are not IP are dropped and counted by the filter.
      if (size !== 0 && !this.#mayComeFrom(seat, bytes, offset[i]! + sourceOffset(size), size)) {
        this.counters.droppedForeign++;
        continue;
      }
      offset[kept] = offset[i]!;
      length[kept] = length[i]!;
      header[kept] = header[i]!;
      kept++;
    }
    packets.count = kept;
  }
}

/** One member, and its packets that were read and not sent yet. */
class Seat {
  readonly link: Link;
  readonly member: Member;
  /** The member's sequence number of joining. */
  readonly number: number;
  readonly outbox: SendQueue;
  readonly #filter: PacketFilter;
  #packets = makePackets(MEMBER_ARENA);
  #places: LayoutCursor;

  constructor(
    link: Link,
    member: Member,
    o: {
      number: number;
      clock: Clock;
      filter: PacketFilter;
      sourceOf: (packets: Packets, i: number) => number;
    },
  ) {
    this.link = link;
    this.member = member;
    this.number = o.number;
    this.#filter = o.filter;
    this.outbox = new SendQueue(link, {
      clock: o.clock,
      spare: makePackets(MEMBER_ARENA),
      backlog: () => new FairQueue(o.sourceOf),
    });
    this.#places = new LayoutCursor(link.layout);
  }

  /** Copies packet i, with its header if it has one, in the layout of the member's link. */
  take(from: Packets, i: number): this {
    const length = from.length[i]!;
    const { layout } = this.link;
    const isFull = this.#packets.count === this.#packets.offset.length ||
      this.#places.at + length + layout.tailroom + layout.trailer > this.#packets.bytes.length;
    if (isFull) this.flush();
    const to = this.#packets;
    const { at } = this.#places;
    const source = from.offset[i]!;
    const before = from.header[i] === 0 ? 0 : VIRTIO_NET_HEADER;
    to.bytes.set(from.bytes.subarray(source - before, source + length), at - before);
    to.offset[to.count] = at;
    to.length[to.count] = length;
    to.header[to.count] = from.header[i]!;
    to.count++;
    this.#places.next(length);
    return this;
  }

  /** Passes the copied packets to the send queue. */
  flush(): void {
    this.#filter.keepForPeer(this.#packets, this.link.offload, this.member.traffic);
    if (this.#packets.count > 0) this.#packets = this.outbox.offerNow(this.#packets);
    this.#packets.count = 0;
    this.#places = new LayoutCursor(this.link.layout);
  }

  /** Returns true if the `size` bytes at `at` are one of the member's addresses. */
  has(bytes: Uint8Array, at: number, size: number): boolean {
    for (const address of this.member.addresses) {
      if (address.bytes.length === size && isAt(bytes, at, address.bytes)) return true;
    }
    return false;
  }
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function lastWord(bytes: Uint8Array): number {
  return wordAt(bytes, bytes.length - 4);
}
