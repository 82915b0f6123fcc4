import { toHex } from "../../base/bytes.ts";
import type { AddressPool, Lease } from "../../core/ip/address_pool.ts";
import type { ServedClient } from "./served_client.ts";

export interface LeaseOptions {
  /** The addresses that clients are given. */
  readonly pool: AddressPool;
  /** Called when leases have changed that are to outlive this process. */
  readonly onLeases?: () => void;
}

/** Gives clients their addresses. */
export class ClientLeases {
  readonly #o: LeaseOptions;
  readonly #wallClock: () => number;

  /** `wallClock`: milliseconds since 1970. */
  constructor(o: LeaseOptions, wallClock: () => number) {
    this.#o = o;
    this.#wallClock = wallClock;
  }

  /** Returns the client's addresses; null if it has some already or none are left. */
  lease({ candidate, peer }: ServedClient): Lease | null {
    const { id = null, name = "", wishes = [] } = candidate.identity ?? {};
    // Without an identity the owner is the client's process.
    const owner = id === null ? `process:${candidate.instance ?? peer}` : toHex(id);
    const claim = { owner, isKept: id !== null, name, wishes };
    const lease = this.#o.pool.lease(claim, this.#wallClock());
    if (lease?.isKept === true) this.#o.onLeases?.();
    return lease;
  }

  release(lease: Lease): void {
    this.#o.pool.release(lease, this.#wallClock());
    if (lease.isKept) this.#o.onLeases?.();
  }
}
