import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ExclusiveSlot, isSameProcess, keyOf, type SlotHolder } from "./exclusive_slot.ts";

/** A key takes a place of another one that has so many more than itself. */
const UNFAIR = 2;

const SHARED = "its key has most of the places, and a client of another key is here";

export class SlotPool {
  /** In the order in which they were given last. */
  readonly #slots: ExclusiveSlot[];
  /** Slots that are taken from a key, with the key that gets them. */
  readonly #promised = new Map<ExclusiveSlot, string>();

  constructor(clock: Clock, count: number) {
    this.#slots = Array.from({ length: count }, () => new ExclusiveSlot(clock));
  }

  /**
   * Claims one of the slots, as `ExclusiveSlot.claim` does for one. Where all are taken, a key that
   * has far fewer of them than another gets the one that was given last to a client of that.
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
        this.#given(slot);
        others.abort();
      }),
    );
    return has;
  }

  async #takeOver(slot: ExclusiveSlot, by: SlotHolder, signal: AbortSignal): Promise<boolean> {
    this.#promised.set(slot, keyOf(by));
    try {
      const has = await slot.claim(by, signal, SHARED);
      if (has) this.#given(slot);
      return has;
    } finally {
      this.#promised.delete(slot);
    }
  }

  #given(slot: ExclusiveSlot): void {
    this.#slots.push(...this.#slots.splice(this.#slots.indexOf(slot), 1));
  }

  /** The slot of the same process or identity, or a free one; otherwise any may be dead. */
  #slotFor(by: SlotHolder): ExclusiveSlot | undefined {
    return this.#slots.find(({ holder }) => isSameProcess(by, holder)) ??
      this.#slots.find(({ holder }) => isSameIdentity(by, holder)) ??
      this.#slots.find(({ holder }) => holder === null);
  }

  /** The slot that the key with most of them had last, if `key` has too few; else undefined. */
  #unfairSlot(key: string): ExclusiveSlot | undefined {
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
    for (const slot of this.#slots) slot.release(holder);
  }
}

function isSameIdentity(a: SlotHolder, b: SlotHolder | null): boolean {
  return b !== null && a.identity !== undefined && a.identity === b.identity &&
    keyOf(a) === keyOf(b);
}
