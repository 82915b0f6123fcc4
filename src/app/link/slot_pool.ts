import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ExclusiveSlot, type SlotHolder } from "./exclusive_slot.ts";

/** So many places instead of one. Each is taken, held and lost as `Place` says. */
export class SlotPool {
  readonly #places: ExclusiveSlot[];

  constructor(clock: Clock, count: number) {
    this.#places = Array.from({ length: count }, () => new ExclusiveSlot(clock));
  }

  /** Whether `tenant` has a place now. If not, it was refused, or `signal` aborted. */
  async claim(tenant: SlotHolder, signal: AbortSignal): Promise<boolean> {
    const others = new AbortController();
    using _tie = onAbort(signal, (reason) => others.abort(reason));
    let has = false;
    await Promise.all(
      this.#placesFor(tenant).map(async (place) => {
        if (!await place.claim(tenant, others.signal)) return;
        if (has) return place.release(tenant); // free in the same moment
        has = true;
        others.abort();
      }),
    );
    return has;
  }

  /**
   * Its own, that of another process of the same client, or one that is free; else any will do:
   * whoever is dead makes room.
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
