import type { SendResult, ToxEvent } from "../../ffi/tox/tox_types.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { ToxNode, ToxNodeEvents } from "../../src/io/tox/tox_node.ts";

/** A node without a library: a test says what happens, and sees what is asked. */
export class FakeToxNode implements ToxNode {
  readonly sizes = { publicKey: 32, address: 38, friendRequest: 921, packet: 1373 };
  /** Results of the next sends; without one they are sent. */
  results: SendResult[] = [];
  readonly sent: { readonly friend: number; readonly bytes: Uint8Array }[] = [];
  /** Texts of the friend requests that were made. */
  readonly requests: string[] = [];
  isClosed = false;
  readonly #keys = new Map<number, string>();
  #events: ToxNodeEvents | null = null;
  #last = 0;

  /** Numbers of the friends, which count from 1. */
  get friends(): readonly number[] {
    return [...this.#keys.keys()];
  }

  hasKey(publicKey: Uint8Array): boolean {
    return [...this.#keys.values()].includes(publicKey.join());
  }

  happen(event: ToxEvent): void {
    const events = this.#events!;
    switch (event.kind) {
      case "self":
        return events.self(event.connection);
      case "request":
        return events.friendRequest(event.publicKey, event.message);
      case "friend":
        return events.friendConnection(event.friend, event.connection);
      case "packet":
        return events.packet(event.friend, event.bytes);
    }
  }

  room(): void {
    this.#events!.room();
  }

  refuse(friend: number, why: string): void {
    this.#events!.friendRefused(friend, new TtunError("usage", why));
  }

  fail(error: unknown): void {
    this.isClosed = true;
    this.#events!.failed(error);
  }

  start(events: ToxNodeEvents): void {
    this.#events = events;
  }

  addFriend(address: Uint8Array, message: Uint8Array): number {
    this.requests.push(new TextDecoder().decode(message));
    return this.acceptFriend(address.subarray(0, 32));
  }

  acceptFriend(publicKey: Uint8Array): number {
    this.#keys.set(++this.#last, publicKey.join());
    return this.#last;
  }

  deleteFriend(friend: number): void {
    this.#keys.delete(friend);
  }

  send(friend: number, bytes: Uint8Array): SendResult {
    const result = this.results.shift() ?? "sent";
    if (result === "sent") this.sent.push({ friend, bytes: bytes.slice() });
    return result;
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
  }
}
