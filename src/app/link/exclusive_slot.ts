import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";

/** Milliseconds that an authenticated newcomer waits for the slot. */
export const LONGEST_CLAIM = 9_000;

/** Milliseconds for the holder to show activity when a newcomer waits. */
export const LIFE_TIMEOUT = 3_000;

const LOOK_EVERY = 50;

const SILENT = "it is silent, and another client is here";
const REPLACED = "the client has come again";

/** Milliseconds between activity of the holder and its next probe. */
const ASK_AGAIN = 1_000;

/** Waiting newcomers in total and of an address, whose oldest is refused beyond that. */
export const MOST_WAITING = 64;
export const MOST_WAITING_OF_ADDRESS = 16;

/** Interval of the checks for newcomers that have left, in milliseconds. */
const SWEEP_EVERY = 1_000;

/** A session that holds the slot or waits for it. */
export interface SlotHolder {
  /** Grows with every sign of life: bytes received, bytes acknowledged. */
  activity(): number;
  /** Sends data that the kernel of a living peer acknowledges. */
  probe(): void;
  isGone(): boolean;
  /** `release` must follow when the session has ended. `why`: words for the log. */
  evict(why: string): void;
  /** Name of the client's key; absent or "" where there is one key alone. */
  readonly key?: string;
  /** The client's process, among those of its key: it replaces its own stale session at once. */
  readonly instance?: string | undefined;
  /** Each identity of a key has one slot at a time, across processes. */
  readonly identity?: string | undefined;
  /** The client's address, in the form that groups one owner's addresses. */
  readonly address?: string;
  /** The client can be told "busy" and need not wait once the holder is known to live. */
  readonly canBeRefused?: boolean;
}

interface Waiter {
  readonly holder: SlotHolder;
  /** The slot is its own as soon as the evicted holder has released it. */
  readonly isNext: boolean;
  settle(granted: boolean): void;
}

type Counted = Member<() => void>;

/**
 * A newcomer gets the slot if it is free or its holder is dead. While the holder lives, the
 * newcomer waits for up to LONGEST_WAIT and is then refused.
 */
export class ExclusiveSlot {
  readonly #clock: Clock;
  #holder: SlotHolder | null = null;
  readonly #queue: Waiter[] = [];
  /** Waiting newcomers by address; calling an item refuses its newcomer. */
  readonly #waiting = new FairGroups<() => void>();
  #asking: Disposable | null = null;
  #sweeping: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get holder(): SlotHolder | null {
    return this.#holder;
  }

  /**
   * Resolves to false if `holder` was refused or `signal` aborted. `because`: takes the slot from a
   * holder that lives, for this reason.
   */
  async claim(holder: SlotHolder, signal: AbortSignal, because?: string): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#holder === null) {
      this.#holder = holder;
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const why = because ?? (isSameProcess(holder, this.#holder) ? REPLACED : null);
    const waiter: Waiter = { holder, isNext: because !== undefined, settle: resolve };
    if (why !== null) this.#queue.splice(this.#queue[0]?.isNext ? 1 : 0, 0, waiter);
    else this.#queue.push(waiter);
    const giveUp = () => {
      const at = this.#queue.indexOf(waiter);
      if (at >= 0) this.#queue.splice(at, 1);
      resolve(false);
    };
    const counted = this.#count(holder.address ?? "", giveUp);
    using _count = { [Symbol.dispose]: () => this.#uncount(counted) };
    using _deadline = this.#clock.after(LONGEST_CLAIM, giveUp);
    using _registration = onAbort(signal, giveUp);
    this.#sweeping ??= this.#clock.after(SWEEP_EVERY, this.#sweep);
    if (why !== null) this.#holder.evict(why);
    else this.#ask();
    return await promise;
  }

  /** At a limit the oldest of the address, or of the address with most, is refused. */
  #count(address: string, giveUp: () => void): Counted {
    const all = this.#waiting;
    if (all.sizeOf(address) >= MOST_WAITING_OF_ADDRESS) refuse(all, all.oldestOf(address));
    if (all.size >= MOST_WAITING) refuse(all, all.oldestOfLargest());
    return all.add(address, giveUp);
  }

  #uncount(counted: Counted): void {
    this.#waiting.delete(counted);
    if (this.#queue.length > 0) return;
    this.#sweeping?.[Symbol.dispose]();
    this.#sweeping = null;
  }

  readonly #sweep = (): void => {
    this.#sweeping = null;
    for (const waiter of this.#queue.filter(({ holder }) => holder.isGone())) {
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
      waiter.settle(false);
    }
    if (this.#queue.length > 0) this.#sweeping = this.#clock.after(SWEEP_EVERY, this.#sweep);
  };

  /** The newcomer at the head of the queue gets the slot at once. */
  release(holder: SlotHolder): void {
    if (this.#holder !== holder) return;
    this.#holder = null;
    this.#asking?.[Symbol.dispose]();
    this.#asking = null;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (next.holder.isGone()) {
        next.settle(false);
        continue;
      }
      this.#holder = next.holder;
      next.settle(true);
      if (this.#queue.length > 0) this.#ask();
      return;
    }
  }

  #ask(): void {
    const holder = this.#holder;
    if (holder === null || this.#asking !== null || !this.#isWanted()) return;
    const before = holder.activity();
    const until = this.#clock.now() + LIFE_TIMEOUT;
    holder.probe();
    const look = () => {
      this.#asking = null;
      if (this.#holder !== holder || !this.#isWanted()) return;
      if (holder.activity() > before) {
        this.#refuseWhoCanBe();
        this.#later(ASK_AGAIN, () => this.#ask());
      } else if (this.#clock.now() < until) this.#later(LOOK_EVERY, look);
      else holder.evict(SILENT); // it releases the slot when its session has ended completely
    };
    look();
  }

  /** True if a newcomer with a live connection waits; otherwise the holder is not probed. */
  #isWanted(): boolean {
    return this.#queue.some(({ holder }) => !holder.isGone());
  }

  #refuseWhoCanBe(): void {
    const refused = this.#queue.filter(({ holder, isNext }) =>
      holder.canBeRefused === true && !isNext
    );
    for (const waiter of refused) {
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
      waiter.settle(false);
    }
  }

  #later(ms: number, run: () => void): void {
    this.#asking = this.#clock.after(ms, () => {
      this.#asking = null;
      run();
    });
  }
}

export function isSameProcess(a: SlotHolder, b: SlotHolder | null): boolean {
  return b !== null && a.instance !== undefined && a.instance === b.instance &&
    keyOf(a) === keyOf(b);
}

export function keyOf({ key = "" }: SlotHolder): string {
  return key;
}

function refuse(all: FairGroups<() => void>, one: Counted | null): void {
  if (one === null) return;
  all.delete(one);
  one.item();
}
