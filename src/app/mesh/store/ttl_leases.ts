import type { Clock } from "../../../contract/host.ts";

interface TtlLease {
  id: Promise<string>;
  /** Keys may be put under it until then, and live their time at least. */
  usableUntil: number;
}

/** Share of their time that leases live longer, for which others may use them too. */
const SPARE = 0.1;

/**
 * Leases for keys with a time to live. Keys that are put at about the same time share one: etcd
 * stalls on tens of thousands of leases.
 */
export class TtlLeases {
  readonly #grant: (ttlSeconds: number) => Promise<string>;
  readonly #clock: Clock;
  readonly #leases = new Map<number, TtlLease>();

  constructor(grant: (ttlSeconds: number) => Promise<string>, clock: Clock) {
    this.#grant = grant;
    this.#clock = clock;
  }

  /** Returns a lease that lives for `ttlMs` from now at least, and a tenth and a second at most longer. */
  async for(ttlMs: number): Promise<string> {
    const now = this.#clock.now();
    const known = this.#leases.get(ttlMs);
    if (known !== undefined && known.usableUntil > now) return await known.id;
    for (const [ms, { usableUntil }] of this.#leases) {
      if (usableUntil <= now) this.#leases.delete(ms);
    }
    const seconds = Math.ceil(ttlMs * (1 + SPARE) / 1000);
    const lease = { id: this.#grant(seconds), usableUntil: now + seconds * 1000 - ttlMs };
    this.#leases.set(ttlMs, lease);
    try {
      return await lease.id;
    } catch (error) {
      if (this.#leases.get(ttlMs) === lease) this.#leases.delete(ttlMs);
      throw error;
    }
  }

  /** Forgets a lease that the store does not know any more. */
  forget(ttlMs: number): void {
    this.#leases.delete(ttlMs);
  }
}
