import type { ToxInstance } from "../../ffi/tox/tox.ts";
import type { SendResult, ToxEvent } from "../../ffi/tox/tox_types.ts";

/** An instance of libtoxcore without a network: a test says what happens, and sees what is asked. */
export class FakeTox implements ToxInstance {
  readonly sizes = { publicKey: 32, address: 38, friendRequest: 921, packet: 1373 };
  readonly savedata = new Uint8Array(100);
  readonly address = new Uint8Array(38);
  readonly dhtKey = new Uint8Array(32);
  readonly udpPort = 33_445;
  interval = 50;
  /** Told by the next iteration. */
  events: ToxEvent[] = [];
  /** Results of the next sends; without one they are sent. */
  results: SendResult[] = [];
  readonly sent: { readonly friend: number; readonly bytes: Uint8Array }[] = [];
  /** Texts of the friend requests that were made. */
  readonly requests: string[] = [];
  iterations = 0;
  isClosed = false;
  readonly #friends = new Map<number, string>();
  #next = 0;

  iterate(): readonly ToxEvent[] {
    if (this.isClosed) throw new Error("It is closed");
    this.iterations++;
    return this.events.splice(0);
  }

  bootstrap(): boolean {
    return true;
  }

  addRelay(): boolean {
    return true;
  }

  addFriend(address: Uint8Array, message: Uint8Array): number {
    this.requests.push(new TextDecoder().decode(message));
    return this.acceptFriend(address.subarray(0, 32));
  }

  acceptFriend(publicKey: Uint8Array): number {
    const known = this.friendOf(publicKey);
    if (known !== null) return known;
    this.#friends.set(this.#next, publicKey.join());
    return this.#next++;
  }

  friendOf(publicKey: Uint8Array): number | null {
    const text = publicKey.join();
    return [...this.#friends].find(([, key]) => key === text)?.[0] ?? null;
  }

  get friends(): readonly number[] {
    return [...this.#friends.keys()];
  }

  deleteFriend(friend: number): void {
    this.#friends.delete(friend);
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
