import type { Logger } from "../../base/log.ts";
import { Offload, type Packets } from "../../contract/batch.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";
import type { Clock } from "../../contract/host.ts";
import { addressSize, sourceOffset } from "../../core/ip/header.ts";
import { ClientNetworks } from "../../core/ip/client_networks.ts";
import { QUEUES } from "./fair_queue.ts";
import { PoolPort } from "./pool_port.ts";
import { PortTable } from "./port_table.ts";
import { type PortOptions, type RouterOptions, TunRouter } from "./tun_router.ts";

/**
 * Device turns outlast those of flooding ports: packets already read are delivered first,
 * and the kernel's queue, which all share, stays short.
 */
const DEVICE_WEIGHT = 0.5;
const PORT_WEIGHT = 2;
/** Up to this many ports share the turn length of one. */
const SHARING = 4;

/**
 * Copies a packet of the device to the port that has its destination address, or the network with
 * it. A port's packets must have such an address as their source.
 */
export class PoolRouter extends TunRouter<PoolPort> {
  protected override readonly deviceWeight = DEVICE_WEIGHT;
  readonly #log: Logger;
  readonly #table: PortTable;
  /** Ports that packets of the current batch were copied to. */
  readonly #touched = new Set<PoolPort>();
  #attached = 0;
  /** The offload last agreed on; null before the first port. */
  #offload: number | null = null;

  constructor(
    device: Device,
    clock: Clock,
    o: RouterOptions & { log: Logger; networks?: ClientNetworks },
  ) {
    super(device, clock, o);
    this.#log = o.log;
    this.#table = new PortTable(o.networks ?? new ClientNetworks([]), o.log);
  }

  /** Networks behind clients are others now. */
  networksChanged(): void {
    this.#table.networksChanged();
  }

  protected override send(packets: Packets): Packets {
    for (let i = 0; i < packets.count; i++) {
      const port = this.#portFor(packets, i);
      if (port === null) {
        this.counters.droppedWithoutPeer++;
        continue;
      }
      port.add(packets, i);
      this.#touched.add(port);
    }
    for (const port of this.#touched) port.flush();
    this.#touched.clear();
    return packets;
  }

  #portFor({ bytes, offset, length }: Packets, i: number): PoolPort | null {
    const size = addressSize(bytes, offset[i]!, length[i]!);
    if (size === 0) return null;
    return this.#table.find(bytes, offset[i]! + sourceOffset(size) + size, size);
  }

  /** Returns 0 for a source that is no port, otherwise a number that few ports share. */
  readonly #sourceOf = ({ bytes, offset, length }: Packets, i: number): number => {
    const size = addressSize(bytes, offset[i]!, length[i]!);
    const from = size === 0 ? null : this.#table.find(bytes, offset[i]! + sourceOffset(size), size);
    return from === null ? 0 : 1 + from.number % (QUEUES - 1);
  };

  protected override attach(link: Link, o: PortOptions): PoolPort {
    const port = new PoolPort(link, o, {
      number: this.#attached++,
      clock: this.clock,
      filter: this.filter,
      sourceOf: this.#sourceOf,
    });
    this.#table.add(port);
    this.#agreeOnOffload(`${port.peer} does not take all of it`);
    return port;
  }

  protected override detach(port: PoolPort): void {
    this.#table.delete(port);
    if (this.#table.ports.size > 0) this.#agreeOnOffload(`${port.peer} has left`);
    else this.#offload = null;
  }

  protected override portWeight(): number {
    return PORT_WEIGHT * Math.min(this.sessions, SHARING);
  }

  #agreeOnOffload(why: string): void {
    let mask: number = this.device.takes;
    for (const { link } of this.#table.ports) mask &= link.offload;
    const before = this.#offload;
    this.device.setOffload(mask);
    this.#offload = mask;
    if (before !== null && mask !== before) {
      this.#log.warn("offload for all clients has changed", { offload: offloadText(mask), why });
    } else if (before === null && mask === Offload.none && this.device.takes !== Offload.none) {
      this.#log.warn("offload is off for all clients", { why });
    }
  }

  protected override keepOwn(packets: Packets, port: PoolPort): void {
    const { bytes, offset, length, hasHeader } = packets;
    let kept = 0;
    for (let i = 0; i < packets.count; i++) {
      const size = addressSize(bytes, offset[i]!, length[i]!);
      // Packets that are not IP are dropped and counted by the filter.
      if (size !== 0 && !this.#table.isOf(port, bytes, offset[i]! + sourceOffset(size), size)) {
        this.counters.droppedForeign++;
        continue;
      }
      offset[kept] = offset[i]!;
      length[kept] = length[i]!;
      hasHeader[kept] = hasHeader[i]!;
      kept++;
    }
    packets.count = kept;
  }
}
