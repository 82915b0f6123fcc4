import type { Clock } from "../../contract/host.ts";
import type { ToxInstance } from "../../../ffi/tox/tox.ts";
import type { SendResult, ToxConnection, ToxEvent } from "../../../ffi/tox/tox_types.ts";

/**
 * Milliseconds between iterations while packets come or wait: a longer pause makes answers late. The
 * library asks for 1, by which its speed grows more slowly: it counts by steps of some 50 ms.
 */
const BUSY_MS = 5;

/** Milliseconds for which it stays so after the last packet. */
const STAYS_BUSY_MS = 200;

/** Called between iterations, where all calls of the library are allowed. */
export interface ToxNodeEvents {
  /** This node has found the network, or lost it. */
  self(connection: ToxConnection): void;
  friendRequest(publicKey: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): void;
  friendConnection(friend: number, connection: ToxConnection): void;
  packet(friend: number, packet: Uint8Array<ArrayBuffer>): void;
  /** After an iteration, when a packet was refused before: the queues may have room. */
  room(): void;
  /** An event's handler or the library has thrown; the node is closed. */
  failed(error: unknown): void;
}

/** An instance of libtoxcore that runs by itself, from `start` to its disposal. It owns the instance. */
export class ToxNode implements Disposable {
  readonly tox: ToxInstance;
  readonly #clock: Clock;
  readonly #events: ToxNodeEvents;
  #timer: Disposable | null = null;
  #isClosed = false;
  #lacksRoom = false;
  #busyUntil = 0;

  constructor(tox: ToxInstance, clock: Clock, events: ToxNodeEvents) {
    this.tox = tox;
    this.#clock = clock;
    this.#events = events;
  }

  start(): void {
    this.#timer ??= this.#clock.after(0, this.#iterate);
  }

  /** Sends a lossless packet, borrowed for the call; `full` = `room` is told later. */
  send(friend: number, packet: Uint8Array<ArrayBuffer>): SendResult {
    const result = this.tox.send(friend, packet);
    if (result === "full") this.#lacksRoom = true;
    if (result !== "offline") this.#stayBusy();
    return result;
  }

  readonly #iterate = (): void => {
    if (this.#isClosed) return;
    this.#timer = null; // handlers that send start no second one
    try {
      for (const event of this.tox.iterate()) {
        this.#tell(event);
        if (this.#isClosed) return;
      }
      if (this.#lacksRoom) {
        this.#lacksRoom = false;
        this.#events.room();
      }
    } catch (error) {
      this[Symbol.dispose]();
      return this.#events.failed(error);
    }
    if (!this.#isClosed) this.#timer = this.#clock.after(this.#pause(), this.#iterate);
  };

  /** While nothing happens it is the library's: 50 ms or less. */
  #pause(): number {
    return this.#clock.now() < this.#busyUntil ? BUSY_MS : this.tox.interval;
  }

  /** A pause that has begun as a long one ends sooner. */
  #stayBusy(): void {
    const now = this.#clock.now();
    const wasBusy = now < this.#busyUntil;
    this.#busyUntil = now + STAYS_BUSY_MS;
    if (wasBusy || this.#timer === null) return;
    this.#timer[Symbol.dispose]();
    this.#timer = this.#clock.after(BUSY_MS, this.#iterate);
  }

  #tell(event: ToxEvent): void {
    switch (event.kind) {
      case "self":
        return this.#events.self(event.connection);
      case "request":
        return this.#events.friendRequest(event.publicKey, event.message);
      case "friend":
        return this.#events.friendConnection(event.friend, event.connection);
      case "packet":
        this.#busyUntil = this.#clock.now() + STAYS_BUSY_MS;
        return this.#events.packet(event.friend, event.bytes);
    }
  }

  /** Ends the node at once; friends are told. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.tox[Symbol.dispose]();
  }
}
