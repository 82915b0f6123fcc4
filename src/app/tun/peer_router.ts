import { TtunError } from "../../base/errors.ts";
import { makePackets, type Packets } from "../../contract/batch.ts";
import type { Link } from "../../contract/link.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { READ_ARENA } from "./device_loop.ts";
import { SendQueue } from "./send_queue.ts";
import { type Port, type PortOptions, TunRouter } from "./tun_router.ts";

/** Routes every packet to the only peer; batches are read as its link wants them. */
export class PeerRouter extends TunRouter {
  #port: Port | null = null;

  protected override send(packets: Packets): MaybePromise<Packets> {
    const port = this.#port;
    if (port === null) {
      this.counters.droppedWithoutPeer += packets.count;
      return packets;
    }
    this.filter.keepForPeer(packets, port.link.offload, port.traffic);
    return packets.count === 0 ? packets : port.queue.offer(packets);
  }

  /** Drops what the device queued before: packets of the last outage are not wanted. */
  protected override attach(link: Link, { traffic }: PortOptions): Port {
    if (this.#port !== null) {
      throw new TtunError("internal", "Cannot carry packets for two links at once");
    }
    // Sets the offload first, so that few packets made under the old one are left.
    this.device.setOffload(link.offload & this.device.takes);
    this.counters.droppedWithoutPeer += this.device.drain();
    this.setLayout(link.layout);
    const queue = new SendQueue(link, { clock: this.clock, spare: makePackets(READ_ARENA) });
    return this.#port = { link, queue, traffic };
  }

  protected override detach(): void {
    this.#port = null;
  }
}
