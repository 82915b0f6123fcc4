import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ExclusiveSlot, isSameProcess, keyOf, type SlotHolder } from "./exclusive_slot.ts";

/** A key takes a place of another one that has so many more than itself. */
const UNFAIR = 2;

/**
 * Milliseconds for which a place that was taken for fairness is kept for its key, and after which
 * the key may take another in its stead.
 */
const KEPT = 60_000;

const SHARED = "its key has most of the places, and a client of another key is here";

/** A place that was taken from a key that had most of them. */
interface Taken {
  /** The key that it was taken for. */
  readonly key: string;
  readonly at: number;
  /** Until then it is kept for the key while it is free. */
  until: number;
}

/** A number of slots, which clients of several keys share fairly. */
export class SlotPool {
  readonly #clock: Clock;
  /** In the order in which they were given last. */
  readonly #slots: ExclusiveSlot[];
  /** Slots that are taken from a key, with the key that gets them. */
  readonly #promised = new Map<ExclusiveSlot, string>();
  readonly #taken = new Map<ExclusiveSlot, Taken>();
  /** When a key that lost a place which was taken for it may take one again. */
  readonly #mayTakeAt = new Map<string, number>();

  constructor(clock: Clock, count: number) {
    this.#clock = clock;
    this.#slots = Array.from({ length: count }, () => new ExclusiveSlot(clock));
  }

  /**
   * Claims one of the slots, as `ExclusiveSlot.claim` does for one. Where all are taken, a key that
   * has far fewer of them than another gets the one that was given last to a client of that. It is
   * kept for the key for a while when its client leaves, and other clients get it only if no other
   * is free: a key whose clients come and go does not take a new place each time.
   */
  async claim(holder: SlotHolder, signal: AbortSignal): Promise<boolean> {
    const others = new AbortController();
    using _registration = onAbort(signal, (reason) => others.abort(reason));
    const one = this.#slotFor(holder);
    const unfair = one === undefined ? this.#unfairSlot(keyOf(holder)) : undefined;
    if (unfair !== undefined) return await this.#takeOver(unfair, holder, signal);
    let has = false;
    await Promise.all(
      (one === undefined ? [...this.#slots] : [one]).map(async (slot) => {
        if (!await slot.claim(holder, others.signal)) return;
        if (has) return slot.release(holder); // another slot became free at the same time
        has = true;
        this.#given(slot, holder);
        others.abort();
      }),
    );
    return has;
  }

  async #takeOver(slot: ExclusiveSlot, by: SlotHolder, signal: AbortSignal): Promise<boolean> {
    const key = keyOf(by);
    const at = this.#clock.now();
    this.#promised.set(slot, key);
    // It counts from now on, also for a newcomer that leaves before it has the place.
    this.#taken.set(slot, { key, at, until: at + KEPT });
    try {
      const has = await slot.claim(by, signal, SHARED);
      if (has) this.#given(slot, by);
      return has;
    } finally {
      this.#promised.delete(slot);
    }
  }

  #given(slot: ExclusiveSlot, to: SlotHolder): void {
    const taken = this.#taken.get(slot);
    const isLost = taken !== undefined && taken.key !== keyOf(to) && slot.holder === to;
    if (isLost) {
      this.#mayTakeAt.set(taken.key, taken.at + KEPT);
      this.#taken.delete(slot);
    }
    this.#slots.push(...this.#slots.splice(this.#slots.indexOf(slot), 1));
  }

  /**
   * The slot of the same process or identity, or a free one, those last that are kept for other
   * keys; otherwise any may be dead.
   */
  #slotFor(by: SlotHolder): ExclusiveSlot | undefined {
    const free = this.#slots.filter(({ holder }) => holder === null);
    return this.#slots.find(({ holder }) => isSameProcess(by, holder)) ??
      this.#slots.find(({ holder }) => isSameIdentity(by, holder)) ??
      free.find((slot) => this.#keptFor(slot) === keyOf(by)) ??
      free.find((slot) => this.#keptFor(slot) === undefined) ?? free[0];
  }

  #keptFor(slot: ExclusiveSlot): string | undefined {
    const taken = this.#taken.get(slot);
    return taken !== undefined && this.#clock.now() < taken.until ? taken.key : undefined;
  }

  /** The slot that the key with most of them had last, if `key` has too few; else undefined. */
  #unfairSlot(key: string): ExclusiveSlot | undefined {
    if (this.#clock.now() < (this.#mayTakeAt.get(key) ?? -Infinity)) return undefined;
    const counts = new Map<string, number>();
    const owners = this.#slots.map((slot) => this.#promised.get(slot) ?? keyOf(slot.holder!));
    for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    const most = Math.max(...counts.values());
    if (most - (counts.get(key) ?? 0) < UNFAIR) return undefined;
    return this.#slots.findLast((slot, i) =>
      counts.get(owners[i]!) === most && !this.#promised.has(slot)
    );
  }

  release(holder: SlotHolder): void {
    for (const slot of this.#slots) {
      const taken = this.#taken.get(slot);
      if (slot.holder === holder && taken?.key === keyOf(holder)) {
        taken.until = this.#clock.now() + KEPT;
      }
      slot.release(holder);
    }
  }
}

function isSameIdentity(a: SlotHolder, b: SlotHolder | null): boolean {
  return b !== null && a.identity !== undefined && a.identity === b.identity &&
    keyOf(a) === keyOf(b);
}
