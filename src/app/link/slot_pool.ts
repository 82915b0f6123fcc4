import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ExclusiveSlot, type SlotHolder } from "./exclusive_slot.ts";

/** Several slots, each with the rules of ExclusiveSlot. */
export class SlotPool {
  readonly #places: ExclusiveSlot[];

  constructor(clock: Clock, count: number) {
    this.#places = Array.from({ length: count }, () => new ExclusiveSlot(clock));
  }

  /**
   * Resolves to true when `tenant` holds a slot; to false if it was refused or `signal` aborted.
   */
  async claim(tenant: SlotHolder, signal: AbortSignal): Promise<boolean> {
    const others = new AbortController();
    using _tie = onAbort(signal, (reason) => others.abort(reason));
    let has = false;
    await Promise.all(
      this.#placesFor(tenant).map(async (place) => {
        if (!await place.claim(tenant, others.signal)) return;
        if (has) return place.release(tenant); // another slot became free at the same time
        has = true;
        others.abort();
      }),
    );
    return has;
  }

  /**
   * Returns the one slot to claim: that of the same process, of the same identity, or a free one;
   * otherwise all of them, as any dead holder makes room.
   */
  #placesFor({ instance, identity }: SlotHolder): ExclusiveSlot[] {
    const one =
      this.#places.find(({ holder }) => instance !== undefined && holder?.instance === instance) ??
        this.#places.find(({ holder }) =>
          identity !== undefined && holder?.identity === identity
        ) ??
        this.#places.find(({ holder }) => holder === null);
    return one === undefined ? this.#places : [one];
  }

  release(tenant: SlotHolder): void {
    for (const place of this.#places) place.release(tenant);
  }
}
