import type { Clock } from "../contract/host.ts";
import { Place, type Tenant } from "./place.ts";

/** So many places instead of one. Each is taken, held and lost as `Place` says. */
export class Seats {
  readonly #places: Place[];
  readonly #taken = new Map<Tenant, Place>();
  /** Whose holder is asked next whether it lives, when all are taken: each in its turn. */
  #next = 0;

  constructor(clock: Clock, count: number) {
    this.#places = Array.from({ length: count }, () => new Place(clock));
  }

  /** Whether `tenant` has a place now. If not, it was refused, or `signal` aborted. */
  async claim(tenant: Tenant, signal: AbortSignal): Promise<boolean> {
    const place = this.#placeFor(tenant);
    this.#taken.set(tenant, place);
    const granted = await place.claim(tenant, signal);
    if (!granted) this.#taken.delete(tenant);
    return granted;
  }

  #placeFor({ instance }: Tenant): Place {
    const own = this.#places.find(({ holder }) =>
      instance !== undefined && holder?.instance === instance
    );
    const free = own ?? this.#places.find(({ holder }) => holder === null);
    return free ?? this.#places[this.#next++ % this.#places.length]!;
  }

  release(tenant: Tenant): void {
    this.#taken.get(tenant)?.release(tenant);
    this.#taken.delete(tenant);
  }
}
