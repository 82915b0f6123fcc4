import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";

/** How long an authenticated newcomer is kept waiting at the most, in milliseconds. */
export const LONGEST_WAIT = 9_000;

/** How long the holder of the place has to show life when a newcomer asks. */
export const LIFE_TIMEOUT = 3_000;

/** How often signs of life are looked for. */
const LOOK_EVERY = 50;

/** How long a holder that has just shown life is left alone. */
const ASK_AGAIN = 1_000;

/** Most newcomers that wait for a place, and of these of one address: then its oldest is refused. */
export const MOST_WAITING = 64;
export const MOST_WAITING_OF_ADDRESS = 16;

/** How often it is looked for newcomers that have left, in milliseconds. */
const SWEEP_EVERY = 1_000;

/** Who has the place, or wants it. */
export interface SlotHolder {
  /** Grows with every sign of life from the peer: bytes received, bytes acknowledged. */
  activity(): number;
  /** Sends something that a living peer's kernel acknowledges. */
  probe(): void;
  /** The connection is known to be over. */
  isGone(): boolean;
  /** Is to lose the place to a newcomer: ends its session, and then calls `release`. */
  evict(): void;
  /** One for each process of a client that says so: it replaces its own stale session at once. */
  readonly instance?: string | undefined;
  /** The client's identity across its processes; each identity has one place at a time. */
  readonly identity?: string | undefined;
  /** The address that it comes from, as far as that has one holder. */
  readonly address?: string;
  /** Can be refused with words: then it is told "busy" when the holder lives, and need not wait. */
  readonly canBeRefused?: boolean;
}

interface Waiter {
  readonly tenant: SlotHolder;
  settle(granted: boolean): void;
}

/** A newcomer among those of its address. */
type Counted = Member<() => void>;

/**
 * The one place at the server. A newcomer gets it when it is free or its holder is dead; while
 * the holder lives, the newcomer waits for a while and is then refused.
 */
export class ExclusiveSlot {
  readonly #clock: Clock;
  #holder: SlotHolder | null = null;
  readonly #queue: Waiter[] = [];
  /** Newcomers by address; an item refuses its newcomer. */
  readonly #waiting = new FairGroups<() => void>();
  #asking: Disposable | null = null;
  #sweeping: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get holder(): SlotHolder | null {
    return this.#holder;
  }

  /** Whether `tenant` has the place now. If not, it was refused, or `signal` aborted. */
  async claim(tenant: SlotHolder, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#holder === null) {
      this.#holder = tenant;
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = { tenant, settle: resolve };
    const isSame = tenant.instance !== undefined && tenant.instance === this.#holder.instance;
    if (isSame) this.#queue.unshift(waiter);
    else this.#queue.push(waiter);
    const giveUp = () => {
      const at = this.#queue.indexOf(waiter);
      if (at >= 0) this.#queue.splice(at, 1);
      resolve(false);
    };
    const counted = this.#count(tenant.address ?? "", giveUp);
    using _count = { [Symbol.dispose]: () => this.#uncount(counted) };
    using _deadline = this.#clock.after(LONGEST_WAIT, giveUp);
    using _tie = onAbort(signal, giveUp);
    this.#sweeping ??= this.#clock.after(SWEEP_EVERY, this.#sweep);
    if (isSame) this.#holder.evict();
    else this.#ask();
    return await promise;
  }

  /** A newcomer more, for which others of its address, or of the greediest, may have to go. */
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

  /** Whoever has left again gives up what is held for him. */
  readonly #sweep = (): void => {
    this.#sweeping = null;
    for (const waiter of this.#queue.filter(({ tenant }) => tenant.isGone())) {
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
      waiter.settle(false);
    }
    if (this.#queue.length > 0) this.#sweeping = this.#clock.after(SWEEP_EVERY, this.#sweep);
  };

  /** The holder gives the place back; the longest waiting newcomer gets it at once. */
  release(tenant: SlotHolder): void {
    if (this.#holder !== tenant) return;
    this.#holder = null;
    this.#asking?.[Symbol.dispose]();
    this.#asking = null;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (next.tenant.isGone()) {
        next.settle(false);
        continue;
      }
      this.#holder = next.tenant;
      next.settle(true);
      if (this.#queue.length > 0) this.#ask();
      return;
    }
  }

  /** Finds out whether the holder lives, for as long as somebody waits. */
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
      else holder.evict(); // it gives the place back when everything of its session has ended
    };
    look();
  }

  /** Whether a newcomer waits that has not gone away again: else no holder need prove anything. */
  #isWanted(): boolean {
    return this.#queue.some(({ tenant }) => !tenant.isGone());
  }

  #refuseWhoCanBe(): void {
    const refused = this.#queue.filter(({ tenant }) => tenant.canBeRefused === true);
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

function refuse(all: FairGroups<() => void>, one: Counted | null): void {
  if (one === null) return;
  all.delete(one);
  one.item();
}
