import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import { MAX_PACKET } from "../../core/tuntox/frames.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import { FriendStreams } from "../../core/tuntox/friend_streams.ts";
import type { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { FramePump } from "./frame_pump.ts";

export interface StreamLinkOptions {
  readonly clock: Clock;
  /** A server's: takes a stream of the client's, or returns false; absent = this end is a client. */
  readonly accept?: (stream: FriendStream) => boolean;
  /** Counts what waits for readers, of all friends; absent = this one is alone. */
  readonly total?: UnreadTotal;
}

/** Runs the streams with one friend over the link with it, which stays its owner's. */
export class StreamLink implements PacketLinkEvents, Disposable {
  readonly streams: FriendStreams;
  readonly link: PacketLink;
  /** Called when the link comes up. */
  onUp: (() => void) | null = null;
  readonly #pump: FramePump;

  /** @throws {TtunError} internal, for a link that carries too small packets */
  constructor(link: PacketLink, { clock, accept, total }: StreamLinkOptions) {
    if (link.maxPacketBytes < MAX_PACKET) {
      throw new TtunError("internal", "The link's packets are too small for frames of streams");
    }
    this.link = link;
    this.#pump = new FramePump(clock, () => this.streams);
    this.streams = new FriendStreams({
      role: accept === undefined ? "client" : "server",
      peer: link.peer,
      send: (packet) => link.send(packet),
      now: () => clock.now(),
      wake: () => this.#pump.wake(),
      total,
      ...(accept !== undefined && { accept }),
    });
    link.listen(this);
  }

  /** Damaged frames are passed over: Tox lets none through, and a peer's own do no harm. */
  packet(bytes: Uint8Array): void {
    this.streams.receive(bytes);
  }

  room(): void {
    this.#pump.flush();
  }

  up(): void {
    this.#pump.flush();
    this.onUp?.();
  }

  down(): void {
    this.#pump.rest();
    this.streams.lose(new TtunError("lost", `Lost the link with ${this.link.peer}`));
  }

  /** Ends all streams at once; the link is not used any more. */
  [Symbol.dispose](): void {
    if (this.#pump.isClosed) return;
    this.#pump[Symbol.dispose]();
    this.streams.lose(new TtunError("lost", `The link with ${this.link.peer} is closed here`));
  }
}
