import type { Clock } from "../../src/contract/host.ts";
import type { PacketLink, PacketLinkEvents } from "../../src/contract/packet_link.ts";

/** Packets that an end takes in each interval of milliseconds, as a link without much room does. */
const ROOM = 40;
const INTERVAL_MS = 5;

/** One end of a link of packets in memory. */
export class FakePacketLink implements PacketLink {
  readonly peer: string;
  readonly maxPacketBytes = 1373;
  isUp = false;
  /** Packets that were given to it, and those that it refused. */
  taken = 0;
  refused = 0;
  readonly #clock: Clock;
  #other: FakePacketLink | null = null;
  #events: PacketLinkEvents | null = null;
  #room = ROOM;
  #timer: Disposable | null = null;
  /** Grows with each loss: what was under way then does not arrive. */
  #epoch = 0;

  private constructor(clock: Clock, peer: string) {
    this.#clock = clock;
    this.peer = peer;
  }

  /** `second`: the second end's name, as the first knows it. */
  static pair(clock: Clock, second = "tox:B"): [FakePacketLink, FakePacketLink] {
    const a = new FakePacketLink(clock, second);
    const b = new FakePacketLink(clock, "tox:A");
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  listen(events: PacketLinkEvents): void {
    this.#events = events;
  }

  send(packet: Uint8Array<ArrayBuffer>): boolean {
    this.#timer ??= this.#clock.after(INTERVAL_MS, () => this.#tell());
    if (!this.isUp || this.#room === 0) {
      this.refused++;
      return false;
    }
    this.#room--;
    this.taken++;
    const copy = packet.slice();
    const epoch = this.#epoch;
    this.#clock.onTurn(() => {
      if (epoch === this.#epoch) this.#other!.#events!.packet(copy);
      return true;
    });
    return true;
  }

  #tell(): void {
    this.#timer = null;
    this.#room = ROOM;
    if (this.isUp) this.#events?.room();
  }

  /** Both ends are friends that are online, or not any more. */
  setUp(isUp: boolean): void {
    for (const end of [this, this.#other!]) {
      end.isUp = isUp;
      end.#epoch++;
    }
    for (const end of [this, this.#other!]) {
      if (isUp) end.#events?.up();
      else end.#events?.down();
    }
  }
}
