import { TtunError } from "../base/errors.ts";
import { BATCH_PACKETS, makePackets, MAX_PACKET } from "../base/packets.ts";
import { onAbort } from "../base/scope.ts";
import type { Clock } from "../contract/host.ts";
import type { Device, Link, Packets, Room } from "../contract/packet.ts";
import { Outbox } from "./outbox.ts";
import { PacketFilter } from "./packet_filter.ts";
import { type Member, noPackets, type PacketService, type Traffic } from "./packet_service.ts";

/** Room for a full batch of usual packets, and for one of the largest behind them. */
const ARENA = 4 * MAX_PACKET;

/** After so many packets without a wait the others have a turn: one flood must not starve the rest. */
const BUDGET = 2 * BATCH_PACKETS;

/** What every service of packets is made from. */
export interface PumpOptions {
  /** Lowers the MSS of TCP connections to the device's MTU. */
  readonly mssClamp: boolean;
  /** Longest packet that a link of any wire version carries in one frame. */
  readonly longest: number;
}

/** A link that takes the device's packets, and how they get to it. */
interface Attached {
  readonly link: Link;
  readonly outbox: Outbox;
  readonly traffic: Traffic;
}

/**
 * Carries packets between a device and one link at a time. The device is read all the time; what
 * is read without a peer is dropped, as a network does.
 */
export class TunPump implements PacketService {
  readonly device: Device;
  readonly counters = noPackets();
  readonly #clock: Clock;
  readonly #filter: PacketFilter;
  #attached: Attached | null = null;
  /** How packets are to lie for the link that is attached; the device looks here when it reads. */
  readonly #room: Room;

  constructor(device: Device, clock: Clock, o: PumpOptions) {
    this.device = device;
    this.#clock = clock;
    this.#filter = new PacketFilter({ device, clock, counters: this.counters, ...o });
    // Without a link: packets lie as no link wants them, so that `liesAs` can tell.
    const { headroom } = device;
    this.#room = { lead: 1, headroom, tailroom: 0, trail: 0, group: Infinity };
  }

  async run(signal: AbortSignal): Promise<never> {
    using _tie = onAbort(signal, () => void this.device[Symbol.asyncDispose]());
    let packets = makePackets(ARENA);
    let spent = 0;
    for (;;) {
      const reading = this.device.readBatch(packets, this.#room);
      if (reading instanceof Promise) {
        await reading;
        spent = 0;
      }
      spent += packets.count;
      const next = this.#send(packets);
      packets = next instanceof Promise ? await next : next;
      if (spent >= BUDGET) {
        spent = 0;
        await this.#clock.turn();
      }
    }
  }

  /** Gives back a batch to read into next. */
  #send(packets: Packets): Packets | Promise<Packets> {
    const to = this.#attached;
    if (to === null || !liesAs(packets, to.link.room)) {
      this.counters.droppedWithoutPeer += packets.count;
      return packets;
    }
    this.#filter.keepForPeer(packets, to.link.offload, to.traffic);
    return packets.count === 0 ? packets : to.outbox.offer(packets);
  }

  /** What the device queued before is dropped: nobody wants the packets of the last outage now. */
  async session(link: Link, { traffic, onUp }: Pick<Member, "traffic" | "onUp">): Promise<void> {
    if (this.#attached !== null) {
      throw new TtunError("internal", "Cannot carry packets for two links at once");
    }
    // In this order: of what is made under the old mask the least is left.
    this.device.setOffload(link.offload & this.device.takes);
    this.counters.droppedWithoutPeer += this.device.drain();
    Object.assign(this.#room, link.room);
    const outbox = new Outbox(link, { clock: this.#clock, spare: makePackets(ARENA) });
    this.#attached = { link, outbox, traffic };
    try {
      onUp?.();
      await receive(link, this.device, this.#clock, (packets) => {
        this.#filter.keepForDevice(packets, link.offload, traffic);
      });
    } catch (error) {
      throw outbox.failure?.error ?? error;
    } finally {
      this.#attached = null;
      this.counters.droppedLate += outbox.droppedLate;
    }
  }
}

/** Writes what a link receives to the device, as far as `keep` leaves it in, until the peer ends it. */
export async function receive(
  link: Link,
  device: Device,
  clock: Clock,
  keep: (packets: Packets) => void,
): Promise<void> {
  const packets = makePackets(0); // the link lends its own buffer
  let spent = 0;
  for (;;) {
    const receiving = link.recv(packets);
    const count = receiving instanceof Promise ? await receiving : receiving;
    if (receiving instanceof Promise) spent = 0;
    if (count === 0) return;
    keep(packets);
    const writing = device.writeBatch(packets);
    if (writing instanceof Promise) await writing;
    spent += count;
    if (spent >= BUDGET) {
      spent = 0;
      await clock.turn();
    }
  }
}

/** Whether the batch was read for such a link, and not for one that has just gone. */
function liesAs(packets: Packets, room: Room): boolean {
  return packets.count === 0 || packets.offset[0] === room.lead + room.headroom;
}
