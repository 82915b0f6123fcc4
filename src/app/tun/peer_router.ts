import { TtunError } from "../../base/errors.ts";
import { makePackets, type Packets } from "../../contract/batch.ts";
import type { Link } from "../../contract/link.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { READ_ARENA } from "./device_loop.ts";
import { SendQueue } from "./send_queue.ts";
import { type Port, type PortOptions, TunRouter } from "./tun_router.ts";

/** Routes every packet to the only peer, by its newest link; batches are read as its link wants them. */
export class PeerRouter extends TunRouter {
  #port: Port | null = null;
  /** Links of the same session that were there before, the oldest first. */
  readonly #older: Port[] = [];

  protected override send(packets: Packets): MaybePromise<Packets> {
    const port = this.#port;
    if (port === null) {
      this.counters.droppedWithoutPeer += packets.count;
      return packets;
    }
    this.filter.keepForPeer(packets, port.link.offload, port.traffic);
    return packets.count === 0 ? packets : port.queue.offer(packets);
  }

  /**
   * Drops what the device queued before: packets of the last outage are not wanted. A link beside
   * others of its session takes their place, and they go on receiving.
   */
  protected override attach(link: Link, { traffic, session }: PortOptions): Port {
    const before = this.#port;
    if (before !== null && (session === undefined || before.session !== session)) {
      throw new TtunError("internal", "Cannot carry packets for two links at once");
    }
    // Sets the offload first, so that few packets made under the old one are left.
    this.#lookLike(link);
    if (before === null) this.counters.droppedWithoutPeer += this.device.drain();
    else {
      this.#older.push(before);
      before.queue.isReplaced = true;
    }
    const queue = new SendQueue(link, { clock: this.clock, spare: makePackets(READ_ARENA) });
    return this.#port = { link, queue, traffic, session };
  }

  #lookLike({ layout, offload }: Link): void {
    this.device.setOffload(offload & this.device.takes);
    this.setLayout(layout);
  }

  protected override detach(port: Port): void {
    if (port !== this.#port) {
      this.#older.splice(this.#older.indexOf(port), 1);
      return;
    }
    this.#port = this.#older.pop() ?? null;
    if (this.#port === null) return;
    this.#lookLike(this.#port.link);
    this.#port.queue.isReplaced = false;
  }
}
