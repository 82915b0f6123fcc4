import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ExclusiveSlot, type SlotHolder } from "./exclusive_slot.ts";

export class SlotPool {
  readonly #slots: ExclusiveSlot[];

  constructor(clock: Clock, count: number) {
    this.#slots = Array.from({ length: count }, () => new ExclusiveSlot(clock));
  }

  /** Claims one of the slots, as `ExclusiveSlot.claim` does for one. */
  async claim(holder: SlotHolder, signal: AbortSignal): Promise<boolean> {
    const others = new AbortController();
    using _registration = onAbort(signal, (reason) => others.abort(reason));
    let has = false;
    await Promise.all(
      this.#slotsFor(holder).map(async (slot) => {
        if (!await slot.claim(holder, others.signal)) return;
        if (has) return slot.release(holder); // another slot became free at the same time
        has = true;
        others.abort();
      }),
    );
    return has;
  }

  /** The slot of the same process or identity, or a free one; otherwise all, as any may be dead. */
  #slotsFor({ instance, identity }: SlotHolder): ExclusiveSlot[] {
    const one =
      this.#slots.find(({ holder }) => instance !== undefined && holder?.instance === instance) ??
        this.#slots.find(({ holder }) => identity !== undefined && holder?.identity === identity) ??
        this.#slots.find(({ holder }) => holder === null);
    return one === undefined ? this.#slots : [one];
  }

  release(holder: SlotHolder): void {
    for (const slot of this.#slots) slot.release(holder);
  }
}
