import type { Cidr } from "../../base/addr.ts";
import { makePackets, type PacketLayout, type Packets } from "../../contract/batch.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { noPackets, type Traffic } from "./counters.ts";
import { carryFromDevice, carryToDevice, READ_ARENA } from "./device_loop.ts";
import { PacketFilter } from "./packet_filter.ts";
import type { SendQueue } from "./send_queue.ts";

export interface RouterOptions {
  /** Lowers the MSS of TCP connections to the device's MTU. */
  readonly mssClamp: boolean;
  /** Longest packet, in bytes, that a link of any wire version carries in one frame. */
  readonly longest: number;
}

export interface PortOptions {
  readonly traffic: Traffic;
  /** The peer as the log shows it. */
  readonly peer: string;
  /** Called once packets can pass, so that what the user is told then is true. */
  readonly onUp?: () => void;
  /** Addresses assigned to the peer; empty if it is the only peer, which may use any. */
  readonly addresses: readonly Cidr[];
  /** Name of the client, which may have networks behind it (ClientNetworks); absent = none. */
  readonly name?: string;
  /** One object for all links of a session: the newest of them has the packets for the peer. */
  readonly session?: object;
}

export interface Port {
  readonly link: Link;
  readonly queue: SendQueue;
  readonly traffic: Traffic;
  /** See `PortOptions`. */
  readonly session: object | undefined;
}

/** Carries packets until the peer ends the link. @throws the error of the link or of the device */
export abstract class TunRouter<P extends Port = Port> {
  readonly device: Device;
  readonly counters = noPackets();
  protected readonly clock: Clock;
  protected readonly filter: PacketFilter;
  /** Multiplies the cost of what is read from the device: above 1 shortens its turns. */
  protected readonly deviceWeight: number = 1;
  /** Layout of the next batch read from the device. */
  #layout: PacketLayout;
  #sessions = 0;

  constructor(device: Device, clock: Clock, o: RouterOptions) {
    this.device = device;
    this.clock = clock;
    this.filter = new PacketFilter({ device, clock, counters: this.counters, ...o });
    const { headroom } = device;
    this.#layout = { groupHeadroom: 0, headroom, tailroom: 0, groupTailroom: 0, group: Infinity };
  }

  get sessions(): number {
    return this.#sessions;
  }

  /**
   * Runs until the signal aborts, which closes the device: a waiting read would not end otherwise.
   * @throws {TtunError} if the device is lost; otherwise the signal's reason
   */
  async run(signal: AbortSignal): Promise<never> {
    using _registration = onAbort(signal, () => startClose(this.device));
    return await carryFromDevice(
      this.device,
      this.clock,
      () => this.#layout,
      makePackets(READ_ARENA),
      (packets) => this.send(packets),
      this.deviceWeight,
    );
  }

  /**
   * Carries packets until the peer ends the link.
   * @throws the error of the link or of the device
   */
  async session(link: Link, o: PortOptions): Promise<void> {
    const port = this.attach(link, o);
    this.#sessions++;
    const { traffic } = o; // callers' objects have several shapes
    const keep = (packets: Packets) => {
      this.keepOwn(packets, port);
      this.filter.keepForDevice(packets, link.offload, traffic);
    };
    try {
      o.onUp?.();
      await carryToDevice(link, this.device, this.clock, keep, () => this.portWeight());
    } catch (error) {
      throw port.queue.failure?.error ?? error;
    } finally {
      this.#sessions--;
      this.detach(port);
      this.counters.droppedLate += port.queue.droppedLate;
    }
  }

  /** The copy gives all layouts one hidden class. */
  protected setLayout(
    { groupHeadroom, headroom, tailroom, groupTailroom, group }: PacketLayout,
  ): void {
    this.#layout = { groupHeadroom, headroom, tailroom, groupTailroom, group };
  }

  /** Returns the batch to read into next. */
  protected abstract send(packets: Packets): MaybePromise<Packets>;

  protected abstract attach(link: Link, o: PortOptions): P;

  protected abstract detach(port: P): void;

  /** Removes packets that may not come from that port. */
  protected keepOwn(_packets: Packets, _port: P): void {}

  /** Multiplies the cost of what a port receives. */
  protected portWeight(): number {
    return 1;
  }
}
