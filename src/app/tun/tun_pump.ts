import { TtunError } from "../../base/errors.ts";
import { makePackets, type PacketLayout, type Packets } from "../../contract/batch.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import { carryFromDevice, carryToDevice, READ_ARENA } from "./device_loop.ts";
import { SendQueue } from "./send_queue.ts";
import { PacketFilter } from "./packet_filter.ts";
import { type Member, noPackets, type PacketService, type Traffic } from "./packet_service.ts";

/** Options of every packet service. */
export interface PumpOptions {
  /** Lowers the MSS of TCP connections to the device's MTU. */
  readonly mssClamp: boolean;
  /** Longest packet, in bytes, that a link of any wire version carries in one frame. */
  readonly longest: number;
}

/** A link that receives the device's packets, with its send queue. */
interface Attached {
  readonly link: Link;
  readonly outbox: SendQueue;
  readonly traffic: Traffic;
}

/**
 * Carries packets between a device and one link at a time. The device is always read; packets
 * without a peer are dropped, as in a network.
 */
export class TunPump implements PacketService {
  readonly device: Device;
  readonly counters = noPackets();
  readonly #clock: Clock;
  readonly #filter: PacketFilter;
  #attached: Attached | null = null;
  /** Packet layout of the attached link; the device reads it at every batch. */
  readonly #layout: PacketLayout;

  constructor(device: Device, clock: Clock, o: PumpOptions) {
    this.device = device;
    this.#clock = clock;
    this.#filter = new PacketFilter({ device, clock, counters: this.counters, ...o });
    const { headroom } = device;
    this.#layout = { header: 0, headroom, tailroom: 0, trailer: 0, group: Infinity };
  }

  get sessions(): number {
    return this.#attached === null ? 0 : 1;
  }

  async run(signal: AbortSignal): Promise<never> {
    using _tie = onAbort(signal, () => startClose(this.device));
    return await carryFromDevice(
      this.device,
      this.#clock,
      this.#layout,
      makePackets(READ_ARENA),
      (packets) => this.#send(packets),
    );
  }

  /** Sends a batch; returns the batch to read into next. */
  #send(packets: Packets): MaybePromise<Packets> {
    const to = this.#attached;
    if (to === null) {
      this.counters.droppedWithoutPeer += packets.count;
      return packets;
    }
    this.#filter.keepForPeer(packets, to.link.offload, to.traffic);
    return packets.count === 0 ? packets : to.outbox.offer(packets);
  }

  /** Drops what the device queued before, as packets of the last outage are no longer wanted. */
  async session(link: Link, { traffic, onUp }: Pick<Member, "traffic" | "onUp">): Promise<void> {
    if (this.#attached !== null) {
      throw new TtunError("internal", "Cannot carry packets for two links at once");
    }
    // Sets the offload first, so that few packets made under the old one are left.
    this.device.setOffload(link.offload & this.device.takes);
    this.counters.droppedWithoutPeer += this.device.drain();
    Object.assign(this.#layout, link.layout);
    const outbox = new SendQueue(link, { clock: this.#clock, spare: makePackets(READ_ARENA) });
    this.#attached = { link, outbox, traffic };
    try {
      onUp?.();
      await carryToDevice(link, this.device, this.#clock, (packets) => {
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
