import type { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import { ToxLink } from "./tox_link.ts";
import type { ToxNode, ToxNodeEvents } from "./tox_node.ts";

/** Milliseconds after which a friend request that has led to nothing is made anew. */
const ASKS_AGAIN_MS = 45_000;

/** `offline`: this node has not found the network; `asked`: it has, and asks for the friend. */
export type ToxClientState = "offline" | "asked" | "up";

export interface ToxClientOptions {
  /** Owned by the client. */
  readonly node: ToxNode;
  readonly clock: Clock;
  /** The server's Tox ID. */
  readonly address: Uint8Array<ArrayBuffer>;
  /** The server's name for logs. */
  readonly name: string;
  /** Message of friend requests; one byte or more. */
  readonly message: Uint8Array<ArrayBuffer>;
  /** Called at each change. `connection`: the way to the friend, or of this node to the network. */
  readonly onState: (state: ToxClientState, connection: ToxConnection) => void;
  /** Called once; the client has ended. */
  readonly onFailed: (error: unknown) => void;
}

/** The link with a server, which is asked for again after each loss. */
export class ToxClient implements ToxNodeEvents, Disposable {
  readonly #o: ToxClientOptions;
  readonly #node: ToxNode;
  readonly #link: ToxLink;
  #friend: number | null = null;
  /** This node's way to the network. */
  #self: ToxConnection = "none";
  #timer: Disposable | null = null;

  constructor(o: ToxClientOptions) {
    this.#o = o;
    this.#node = o.node;
    this.#link = new ToxLink(this.#node, o.name);
  }

  get link(): ToxLink {
    return this.#link;
  }

  /** This node's way to the network. */
  get network(): ToxConnection {
    return this.#self;
  }

  start(): void {
    this.#node.start(this);
  }

  self(connection: ToxConnection): void {
    this.#self = connection;
    if (connection === "none") {
      if (!this.#link.isUp) this.#o.onState("offline", connection);
    } else if (this.#friend === null) this.#ask();
  }

  /** Nobody is let in. */
  friendRequest(): void {}

  friendConnection(friend: number, connection: ToxConnection): void {
    if (friend !== this.#friend) return;
    if (connection !== "none") {
      this.#stopTimer();
      this.#o.onState("up", connection);
      return this.#link.up(friend, connection);
    }
    this.#link.down();
    // The server may have forgotten this end, and is shown the secret again.
    this.#forget();
    if (this.#self !== "none") this.#ask();
    else this.#o.onState("offline", this.#self);
  }

  /** No later request could succeed. */
  friendRefused(_friend: number, error: TtunError): void {
    this[Symbol.dispose]();
    this.#o.onFailed(error);
  }

  packet(friend: number, packet: Uint8Array<ArrayBuffer>): void {
    if (friend === this.#friend) this.#link.packet(packet);
  }

  room(): void {
    this.#link.room();
  }

  failed(error: unknown): void {
    this.#stopTimer();
    this.#link.down();
    this.#o.onFailed(error);
  }

  #ask(): void {
    const { address, message, clock, onState } = this.#o;
    this.#friend = this.#node.addFriend(address, message);
    this.#timer = clock.after(ASKS_AGAIN_MS, () => {
      this.#forget();
      if (this.#self !== "none") this.#ask();
    });
    onState("asked", this.#self);
  }

  #forget(): void {
    this.#stopTimer();
    if (this.#friend !== null) this.#node.deleteFriend(this.#friend);
    this.#friend = null;
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  /** The server is told. */
  [Symbol.dispose](): void {
    this.#stopTimer();
    this.#link.down();
    this.#node[Symbol.dispose]();
  }
}
