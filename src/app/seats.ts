import { onAbort } from "../base/scope.ts";
import type { Clock } from "../contract/host.ts";
import { Place, type Tenant } from "./place.ts";

/** So many places instead of one. Each is taken, held and lost as `Place` says. */
export class Seats {
  readonly #places: Place[];
  readonly #taken = new Map<Tenant, Place>();

  constructor(clock: Clock, count: number) {
    this.#places = Array.from({ length: count }, () => new Place(clock));
  }

  /** Whether `tenant` has a place now. If not, it was refused, or `signal` aborted. */
  async claim(tenant: Tenant, signal: AbortSignal): Promise<boolean> {
    const one = this.#placeFor(tenant);
    if (one !== undefined) this.#taken.set(tenant, one); // it may be lost while it is waited for
    const granted = one === undefined
      ? await this.#claimAny(tenant, signal)
      : await one.claim(tenant, signal)
      ? one
      : null;
    if (granted === null) this.#taken.delete(tenant);
    else this.#taken.set(tenant, granted);
    return granted !== null;
  }

  /** All are taken: every holder is asked whether it lives, and the first place that is free it is. */
  async #claimAny(tenant: Tenant, signal: AbortSignal): Promise<Place | null> {
    const others = new AbortController();
    using _tie = onAbort(signal, (reason) => others.abort(reason));
    const granted: Place[] = [];
    await Promise.all(this.#places.map(async (place) => {
      if (!await place.claim(tenant, others.signal)) return;
      granted.push(place);
      others.abort();
    }));
    const [first, ...more] = granted;
    for (const place of more) place.release(tenant); // free in the same moment
    return first ?? null;
  }

  /** Its own, or one that is free. */
  #placeFor({ instance }: Tenant): Place | undefined {
    const own = this.#places.find(({ holder }) =>
      instance !== undefined && holder?.instance === instance
    );
    return own ?? this.#places.find(({ holder }) => holder === null);
  }

  release(tenant: Tenant): void {
    this.#taken.get(tenant)?.release(tenant);
    this.#taken.delete(tenant);
  }
}
