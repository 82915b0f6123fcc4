import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
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
  #connection: ToxConnection = "none";
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(node: ToxNode, peer: string) {
    this.#node = node;
    this.peer = peer;
  }

  get maxPacketBytes(): number {
    return this.#node.sizes.packet;
  }

  get isUp(): boolean {
    return this.#friend !== null;
  }

  send(packet: Uint8Array<ArrayBuffer>): boolean {
    if (this.#friend === null) return false;
    const result = this.#node.send(this.#friend, packet);
    // Of a friend that has just gone the node tells later.
    if (result === "full") this.#lacksRoom = true;
    if (result === "sent") this.#sentBytes += packet.length;
    return result === "sent";
  }

  listen(events: PacketLinkEvents): void {
    this.#events = events;
  }

  /** The way to the friend. */
  get connection(): ToxConnection {
    return this.#connection;
  }

  /** Bytes of packets since the link came up last. */
  get traffic(): { readonly sentBytes: number; readonly receivedBytes: number } {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
  }

  /** The friend of this number is online, or has another way by now. */
  up(friend: number, connection: ToxConnection): void {
    this.#connection = connection;
    if (this.#friend === friend) return;
    this.#friend = friend;
    [this.#sentBytes, this.#receivedBytes] = [0, 0];
    this.#events.up();
  }

  /** The friend is offline. */
  down(): void {
    if (this.#friend === null) return;
    this.#friend = null;
    this.#connection = "none";
    this.#lacksRoom = false;
    this.#events.down();
  }

  packet(bytes: Uint8Array<ArrayBuffer>): void {
    this.#receivedBytes += bytes.length;
    this.#events.packet(bytes);
  }

  /** Queues may have room again. */
  room(): void {
    if (!this.#lacksRoom) return;
    this.#lacksRoom = false;
    this.#events.room();
  }
}
