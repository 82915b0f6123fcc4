import type { AddressPool, Lease } from "../../core/ip/address_pool.ts";
import { ofKey, type ServedClient } from "./served_client.ts";

export interface LeaseOptions {
  readonly pool: AddressPool;
  /** Called when leases that are to outlive this process have changed. */
  readonly onLeases?: () => void;
}

export class ClientLeases {
  readonly #o: LeaseOptions;
  readonly #wallClock: () => number;

  constructor(o: LeaseOptions, wallClock: () => number) {
    this.#o = o;
    this.#wallClock = wallClock;
  }

  /** Returns null if the client has addresses already, or none are left. */
  lease({ candidate, identity, key, peer }: ServedClient): Lease | null {
    const { name = "", wishes = [] } = candidate.identity ?? {};
    // Without an identity the client's process is the owner.
    const owner = identity ?? ofKey(key, `process:${candidate.instance ?? peer}`);
    const claim = { owner, key, isKept: identity !== undefined, name, wishes };
    const lease = this.#o.pool.lease(claim, this.#wallClock());
    if (lease?.isKept === true) this.#o.onLeases?.();
    return lease;
  }

  release(lease: Lease): void {
    this.#o.pool.release(lease, this.#wallClock());
    if (lease.isKept) this.#o.onLeases?.();
  }
}
