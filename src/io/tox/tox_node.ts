import type { TtunError } from "../../base/errors.ts";
import type { SendResult, ToxConnection, ToxSizes } from "../../../ffi/tox/tox_types.ts";

/** All calls of the node are allowed within. */
export interface ToxNodeEvents {
  /** This node has found the network, or lost it. */
  self(connection: ToxConnection): void;
  friendRequest(publicKey: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): void;
  friendConnection(friend: number, connection: ToxConnection): void;
  /** The library does not take a friend that was added; nothing more is told of it. */
  friendRefused(friend: number, error: TtunError): void;
  /** The packet is lent for the call. */
  packet(friend: number, packet: Uint8Array<ArrayBuffer>): void;
  /** When a packet was refused before: there may be room. */
  room(): void;
  /** An event's handler or the library has thrown; the node is closed. */
  failed(error: unknown): void;
}

/** An instance of libtoxcore that runs by itself, from `start` to its disposal. */
export interface ToxNode extends Disposable {
  readonly sizes: ToxSizes;
  start(events: ToxNodeEvents): void;
  /**
   * Sends a friend request, until it is answered. Returns the friend, whose number is never another's.
   */
  addFriend(address: Uint8Array, message: Uint8Array): number;
  /** Accepts whoever has the key; no friend that there is may have it. Returns the friend. */
  acceptFriend(publicKey: Uint8Array): number;
  /** Nothing more is told of the friend. */
  deleteFriend(friend: number): void;
  /** Sends a lossless packet, borrowed for the call; `full` = `room` is told later. */
  send(friend: number, packet: Uint8Array): SendResult;
}
