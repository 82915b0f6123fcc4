import { pushJoined } from "../../base/push_joined.ts";
import type { Field } from "../../core/http/fields.ts";

export interface WayEnds {
  /** The end that gets them is there. */
  readonly isThere: () => boolean;
  /** Bytes that the machine of the end that gets them takes now. */
  readonly room: () => number;
  /** Its stream has bytes that wait. */
  readonly isBlocked: () => boolean;
  /** Its machine is called later: bytes must outlive the call. */
  readonly isBusy: () => boolean;
  readonly give: (bytes: Uint8Array) => void;
  readonly end: (trailers: readonly Field[]) => void;
  /** Lets the end that sends send as many more. */
  readonly pay: (count: number) => void;
}

/**
 * One direction of an exchange. Bytes for which there is no room wait here; the end that sends is let
 * to go on when its bytes have left the stream of the other, so that little waits.
 */
export class Way {
  readonly #o: WayEnds;
  readonly #waiting: Uint8Array[] = [];
  #trailers: readonly Field[] | null = null;
  /** Bytes that were given and not paid for. */
  #owed = 0;
  #hasGiven = false;
  #isDone = false;

  constructor(o: WayEnds) {
    this.#o = o;
  }

  /** Something has gone to the end that gets it. */
  get hasGiven(): boolean {
    return this.#hasGiven;
  }

  /** Everything has gone. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Another end gets them, to which the end is to be told again. Only before anything was given. */
  restart(): void {
    this.#isDone = false;
  }

  /** Takes bytes, borrowed for the call. */
  take(bytes: Uint8Array): void {
    if (this.#waiting.length === 0 && this.#o.room() >= bytes.length) {
      this.#give(bytes);
      return this.#pay();
    }
    pushJoined(this.#waiting, bytes);
    // Room is told of again only where all of it has been used.
    this.flush();
  }

  /** No bytes follow. */
  finish(trailers: readonly Field[]): void {
    this.#trailers = trailers;
    this.flush();
  }

  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const room = this.#o.room();
      if (room <= 0) return;
      if (next.length > room) this.#waiting[0] = next.subarray(room);
      else this.#waiting.shift();
      this.#give(next.subarray(0, room));
    }
    this.#pay();
    if (this.#trailers === null || this.#isDone || !this.#o.isThere()) return;
    this.#isDone = true;
    this.#o.end(this.#trailers);
  }

  #give(bytes: Uint8Array): void {
    this.#hasGiven = true;
    this.#owed += bytes.length;
    this.#o.give(this.#o.isBusy() ? bytes.slice() : bytes);
  }

  #pay(): void {
    if (this.#owed === 0 || this.#o.isBlocked()) return;
    const count = this.#owed;
    this.#owed = 0;
    this.#o.pay(count);
  }
}
