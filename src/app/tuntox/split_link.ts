import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import { isOfStreams } from "../../core/tuntox/stream_frames.ts";

/**
 * A link with a friend as two: frames of streams go to one, all others to the other. It listens to
 * the link, which stays its owner's.
 */
export class SplitLink implements PacketLinkEvents {
  readonly #tunnels: Half;
  readonly #streams: Half;
  /** The half that is told of room first: each time the other one, or one could take all. */
  #next: Half;
  #later: Half;

  constructor(link: PacketLink) {
    this.#next = this.#tunnels = new Half(link);
    this.#later = this.#streams = new Half(link);
    link.listen(this);
  }

  get tunnels(): PacketLink {
    return this.#tunnels;
  }

  get streams(): PacketLink {
    return this.#streams;
  }

  packet(bytes: Uint8Array<ArrayBuffer>): void {
    const half = isOfStreams(bytes) ? this.#streams : this.#tunnels;
    half.events.packet(bytes);
  }

  room(): void {
    const [first, second] = [this.#next, this.#later];
    [this.#next, this.#later] = [second, first];
    first.events.room();
    second.events.room();
  }

  up(): void {
    this.#tunnels.events.up();
    this.#streams.events.up();
  }

  down(): void {
    this.#tunnels.events.down();
    this.#streams.events.down();
  }
}

const DEAF: PacketLinkEvents = { packet() {}, room() {}, up() {}, down() {} };

class Half implements PacketLink {
  readonly #link: PacketLink;
  events = DEAF;

  constructor(link: PacketLink) {
    this.#link = link;
  }

  get peer(): string {
    return this.#link.peer;
  }

  get maxPacketBytes(): number {
    return this.#link.maxPacketBytes;
  }

  get isUp(): boolean {
    return this.#link.isUp;
  }

  send(packet: Uint8Array<ArrayBuffer>): boolean {
    return this.#link.send(packet);
  }

  listen(events: PacketLinkEvents): void {
    this.events = events;
  }
}
