import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import { ToxLink } from "./tox_link.ts";
import type { ToxNode, ToxNodeEvents } from "./tox_node.ts";

/** Milliseconds in which a friend that was let in has to come. */
const HAS_TO_COME_MS = 300_000;

/** Friends at a time. */
const MOST_FRIENDS = 256;

/** A friend that is let in. */
export interface Admission {
  /** Its name for logs. */
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** It has shown the secret, where there is one. */
  readonly isTrusted: boolean;
}

export interface ToxServerOptions {
  /** Owned by the server. */
  readonly node: ToxNode;
  readonly clock: Clock;
  /** Null: the friend is not let in. */
  readonly admit: (
    publicKey: Uint8Array<ArrayBuffer>,
    message: Uint8Array<ArrayBuffer>,
  ) => Admission | null;
  /** A friend that was let in could not be taken. */
  readonly onRefused: (error: TtunError) => void;
  /**
   * A friend comes. Its link is up right behind the call; it goes down once, and that is its end, when
   * the result is disposed of.
   */
  readonly onLink: (link: ToxLink, connection: ToxConnection, admission: Admission) => Disposable;
  /** This node has found the network, or lost it. */
  readonly onSelf: (connection: ToxConnection) => void;
  /** Called once; the server has ended. */
  readonly onFailed: (error: unknown) => void;
}

interface Friend {
  /** Its public key. */
  readonly key: string;
  readonly admission: Admission;
  readonly link: ToxLink;
  readonly timer: Disposable;
  /** Null = it has not come yet. */
  use: Disposable | null;
}

/** Links with those that are let in. Whoever goes is forgotten, and has to ask again. */
export class ToxServer implements ToxNodeEvents, Disposable {
  readonly #o: ToxServerOptions;
  readonly #node: ToxNode;
  readonly #friends = new Map<number, Friend>();

  constructor(o: ToxServerOptions) {
    this.#o = o;
    this.#node = o.node;
  }

  start(): void {
    this.#node.start(this);
  }

  self(connection: ToxConnection): void {
    this.#o.onSelf(connection);
  }

  friendRequest(publicKey: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): void {
    const { clock, admit } = this.#o;
    const admission = admit(publicKey, message);
    const key = toHex(publicKey);
    if (admission === null || this.#isKnown(key) || !this.#makeRoom()) return;
    const friend = this.#node.acceptFriend(publicKey);
    this.#friends.set(friend, {
      key,
      admission,
      link: new ToxLink(this.#node, admission.name),
      timer: clock.after(HAS_TO_COME_MS, () => this.#forget(friend)),
      use: null,
    });
  }

  friendConnection(friend: number, connection: ToxConnection): void {
    const known = this.#friends.get(friend);
    if (known === undefined) return;
    if (connection === "none") {
      // Before it comes it may be told as offline.
      if (known.link.isUp) this.#forget(friend);
      return;
    }
    known.timer[Symbol.dispose]();
    const { link, admission } = known;
    if (!link.isUp) known.use = this.#o.onLink(link, connection, admission);
    link.up(friend, connection);
  }

  /** Such as one with this end's own key; others are served on. */
  friendRefused(friend: number, error: TtunError): void {
    this.#forget(friend);
    this.#o.onRefused(error);
  }

  packet(friend: number, packet: Uint8Array<ArrayBuffer>): void {
    this.#friends.get(friend)?.link.packet(packet);
  }

  room(): void {
    for (const { link } of this.#friends.values()) link.room();
  }

  failed(error: unknown): void {
    this.#clear();
    this.#o.onFailed(error);
  }

  /** Of friends that have not come the oldest is forgotten for a new one; false = all have come. */
  #makeRoom(): boolean {
    if (this.#friends.size < MOST_FRIENDS) return true;
    const oldest = [...this.#friends].find(([, { link }]) => !link.isUp);
    if (oldest === undefined) {
      this.#o.onRefused(new TtunError("exhausted", `${MOST_FRIENDS} friends are online already`));
      return false;
    }
    this.#forget(oldest[0]);
    return true;
  }

  #isKnown(key: string): boolean {
    return [...this.#friends.values()].some((friend) => friend.key === key);
  }

  #forget(friend: number): void {
    const known = this.#friends.get(friend);
    if (known === undefined) return;
    this.#friends.delete(friend);
    known.timer[Symbol.dispose]();
    this.#node.deleteFriend(friend);
    end(known);
  }

  /** The friend of a link has to ask again. */
  drop(link: ToxLink): void {
    for (const [friend, known] of [...this.#friends]) if (known.link === link) this.#forget(friend);
  }

  #clear(): void {
    for (const friend of this.#friends.values()) {
      friend.timer[Symbol.dispose]();
      end(friend);
    }
    this.#friends.clear();
  }

  /** All friends are told. */
  [Symbol.dispose](): void {
    this.#clear();
    this.#node[Symbol.dispose]();
  }
}

function end({ link, use }: Friend): void {
  link.down();
  use?.[Symbol.dispose]();
}
