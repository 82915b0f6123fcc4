import { setImmediate as macrotask } from "node:timers/promises";
import type { Clock } from "../../src/contract/host.ts";
import type { OnReady } from "../../src/contract/stream.ts";

/** Turns at one virtual moment from which on it is a loop that never waits. */
const MOST_TURNS = 100_000;

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #now = 0;
  /** How many turns were asked for so far, and how many are under way. */
  turns = 0;
  #turning = 0;
  /** In the order in which they were set. */
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  /** Timers that are set: none should be left when all is over. */
  get pending(): number {
    return this.#timers.size;
  }

  after(ms: number, run: () => void): Disposable {
    const timer = { due: this.#now + ms, run };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  async turn(): Promise<void> {
    this.turns++;
    this.#turning++;
    await macrotask();
    this.#turning--;
  }

  onTurn(run: OnReady): void {
    this.turn().then(run);
  }

  /** Lets everything go on that waits for no timer. */
  async settle(): Promise<void> {
    for (let left = MOST_TURNS; left > 0; left--) {
      await macrotask(); // every promise that can settle has settled before
      if (this.#turning === 0) return;
    }
    throw new Error("Cannot settle: something goes on and on without waiting");
  }

  /** Lets `ms` pass: runs what becomes due, in order, and what follows from each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    for (let next = this.#next(until); next !== null; next = this.#next(until)) {
      await this.#fire(next);
    }
    this.#now = until;
  }

  /** Lets time pass until `promise` settles; what it gives. At most `limit` milliseconds. */
  async until<T>(promise: Promise<T>, limit = 3_600_000): Promise<T> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    await this.settle();
    const end = this.#now + limit;
    while (!settled) {
      const next = this.#next(end);
      if (next === null) throw new Error(`Still waiting after ${limit} ms of virtual time`);
      await this.#fire(next);
    }
    return await promise;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.due);
    timer.run();
    await this.settle();
  }

  #next(until: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.due <= until && (first === null || timer.due < first.due)) first = timer;
    }
    return first;
  }
}
