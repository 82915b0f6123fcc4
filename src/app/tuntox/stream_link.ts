import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import { MAX_PACKET } from "../../core/tuntox/frames.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import { FriendStreams } from "../../core/tuntox/friend_streams.ts";

/** Milliseconds between looks at what waits for a time. */
const LOOK_MS = 1000;

export interface StreamLinkOptions {
  readonly clock: Clock;
  /** A server's: takes a stream of the client's, or returns false; absent = this end is a client. */
  readonly accept?: (stream: FriendStream) => boolean;
}

/** Runs the streams with one friend over the link with it, which stays its owner's. */
export class StreamLink implements PacketLinkEvents, Disposable {
  readonly streams: FriendStreams;
  readonly link: PacketLink;
  /** Called when the link comes up. */
  onUp: (() => void) | null = null;
  readonly #clock: Clock;
  #isWoken = false;
  #isClosed = false;
  #timer: Disposable | null = null;

  /** @throws {TtunError} internal, for a link that carries too small packets */
  constructor(link: PacketLink, { clock, accept }: StreamLinkOptions) {
    if (link.maxPacketBytes < MAX_PACKET) {
      throw new TtunError("internal", "The link's packets are too small for frames of streams");
    }
    this.link = link;
    this.#clock = clock;
    this.streams = new FriendStreams({
      role: accept === undefined ? "client" : "server",
      peer: link.peer,
      send: (packet) => link.send(packet),
      now: () => clock.now(),
      wake: () => this.#wake(),
      ...(accept !== undefined && { accept }),
    });
    link.listen(this);
  }

  /** Damaged frames are passed over: Tox lets none through, and a peer's own do no harm. */
  packet(bytes: Uint8Array): void {
    this.streams.receive(bytes);
  }

  room(): void {
    this.#flush();
  }

  up(): void {
    this.#flush();
    this.onUp?.();
  }

  down(): void {
    this.#stopTimer();
    this.streams.lose(new TtunError("lost", `Lost the link with ${this.link.peer}`));
  }

  #wake(): void {
    if (this.#isWoken || this.#isClosed) return;
    this.#isWoken = true;
    this.#clock.onTurn(() => {
      this.#isWoken = false;
      this.#flush(); // writers that it tells may leave work to promises
    });
  }

  #flush(): void {
    if (this.#isClosed) return;
    this.streams.flush();
    if (this.streams.needsTicks) this.#timer ??= this.#clock.after(LOOK_MS, this.#look);
    else this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  readonly #look = (): void => {
    this.#timer = null;
    this.streams.tick();
    this.#flush();
  };

  /** Ends all streams at once; the link is not used any more. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTimer();
    this.streams.lose(new TtunError("lost", `The link with ${this.link.peer} is closed here`));
  }
}
