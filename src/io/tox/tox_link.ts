import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import type { ToxNode } from "./tox_node.ts";

const DEAF: PacketLinkEvents = { packet() {}, room() {}, up() {}, down() {} };

/** The link with a friend. Its owner tells it what the node tells of the friend. */
export class ToxLink implements PacketLink {
  readonly peer: string;
  readonly #node: ToxNode;
  #events = DEAF;
  /** The friend's number; null = the link is down. */
  #friend: number | null = null;
  #lacksRoom = false;

  constructor(node: ToxNode, peer: string) {
    this.#node = node;
    this.peer = peer;
  }

  get maxPacketBytes(): number {
    return this.#node.tox.sizes.packet;
  }

  get isUp(): boolean {
    return this.#friend !== null;
  }

  send(packet: Uint8Array<ArrayBuffer>): boolean {
    if (this.#friend === null) return false;
    const result = this.#node.send(this.#friend, packet);
    // Of a friend that has just gone the node tells later.
    if (result === "full") this.#lacksRoom = true;
    return result === "sent";
  }

  listen(events: PacketLinkEvents): void {
    this.#events = events;
  }

  /** The friend of this number is online. */
  up(friend: number): void {
    if (this.#friend === friend) return;
    this.#friend = friend;
    this.#events.up();
  }

  /** The friend is offline. */
  down(): void {
    if (this.#friend === null) return;
    this.#friend = null;
    this.#lacksRoom = false;
    this.#events.down();
  }

  packet(bytes: Uint8Array<ArrayBuffer>): void {
    this.#events.packet(bytes);
  }

  /** Queues may have room again. */
  room(): void {
    if (!this.#lacksRoom) return;
    this.#lacksRoom = false;
    this.#events.room();
  }
}
