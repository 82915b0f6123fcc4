import { ACK_MS, type MuxOptions } from "../../src/core/mux/mux.ts";
import type { WindowBudget } from "../../src/core/mux/receive_window.ts";
import { type MuxEnd, MuxPair } from "./mux_end.ts";

/** A megabit a second in bytes a millisecond. */
export const MBIT = 125;

/** Bytes of a record on the path: few, so that it is shared finely. */
const RECORD = 24 * 1024;

/** A budget of memory that says how much is taken. */
export class CountedBudget implements WindowBudget {
  readonly #most: number;
  taken = 0;
  most = 0;
  /** Set by a test that makes memory short. */
  isShort = false;

  constructor(most = Infinity) {
    this.#most = most;
  }

  take(bytes: number): boolean {
    if (this.taken + bytes > this.#most) return false;
    this.taken += bytes;
    this.most = Math.max(this.most, this.taken);
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}

/** One direction of a path. */
class Way {
  readonly #from: MuxEnd;
  readonly #to: MuxEnd;
  readonly #rate: number;
  readonly #delay: number;
  /** Bytes that the path takes now; below 0, a record is still being sent. */
  #room = 0;
  readonly #records: { readonly at: number; readonly record: Uint8Array }[] = [];
  /** Calls of `wake(true)` that were heard, and the time of the acknowledgement that they ask for. */
  #heard = 0;
  #ackAt = Infinity;

  constructor(from: MuxEnd, to: MuxEnd, rate: number, delay: number) {
    this.#from = from;
    this.#to = to;
    this.#rate = rate;
    this.#delay = delay;
  }

  /** Carries what a millisecond allows. */
  carry(): void {
    const { now } = this.#from;
    this.#acknowledge();
    this.#room = Math.min(this.#room, 0) + this.#rate;
    while (this.#room > 0) {
      const record = this.#from.record(RECORD);
      if (record === null) break;
      this.#room -= record.length;
      this.#records.push({ at: now + this.#delay, record });
    }
    while (this.#records.length > 0 && this.#records[0]!.at <= now) {
      this.#to.give(this.#records.shift()!.record);
    }
  }

  #acknowledge(): void {
    const { now, mux, wakes } = this.#from;
    if (wakes.later > this.#heard && this.#ackAt === Infinity) this.#ackAt = now + ACK_MS;
    this.#heard = wakes.later;
    if (now < this.#ackAt) return;
    this.#ackAt = Infinity;
    mux.ackIsDue();
  }
}

/** Both ends of a session on a path with a rate and a delay, in virtual time of milliseconds. */
export class MuxPath extends MuxPair {
  readonly #ways: readonly Way[];

  /** `rate` in bytes a millisecond; `rtt` in milliseconds. */
  constructor(
    { rate, rtt, ...o }: { rate: number; rtt: number } & Omit<Partial<MuxOptions>, "rtt">,
  ) {
    super(o);
    const { client, server } = this;
    this.#ways = [new Way(client, server, rate, rtt / 2), new Way(server, client, rate, rtt / 2)];
    client.rtt = server.rtt = rtt;
  }

  /** Lets so many milliseconds pass; `each` runs in each of them: it writes and reads. */
  run(ms: number, each: () => void): void {
    for (let i = 0; i < ms; i++) {
      this.client.now = ++this.server.now;
      each();
      for (const way of this.#ways) way.carry();
    }
  }
}
