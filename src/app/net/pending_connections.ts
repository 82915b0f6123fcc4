import type { Addr } from "../../base/addr.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";
import { addressGroup } from "./address_group.ts";

export interface PendingLimits {
  total: number;
  /** Of one IPv4 address or one IPv6 /64. */
  perAddress: number;
}

export const DEFAULT_PENDING: PendingLimits = { total: 2048, perAddress: 512 };

/**
 * Connections whose peer has to say something next: prove the key, send a first byte or another
 * request. At an address's limit its oldest is dropped, at the total limit the oldest of the address
 * with most: a flood only displaces its own address's.
 */
export class PendingConnections {
  readonly #limits: PendingLimits;
  readonly #all = new FairGroups<() => void>();
  dropped = 0;

  constructor(limits: PendingLimits = DEFAULT_PENDING) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Counts until the result is disposed of; calls `drop` to close the connection. */
  add(from: Addr, drop: () => void): Disposable {
    const group = addressGroup(from);
    const { total, perAddress } = this.#limits;
    if (this.#all.sizeOf(group) >= perAddress) this.#push(this.#all.oldestOf(group));
    if (this.#all.size >= total) this.dropOldest();
    return new Entry(this.#all, this.#all.add(group, drop));
  }

  /** Drops a connection when descriptors run out; returns false if there is none. */
  dropOldest(): boolean {
    return this.#push(this.#all.oldestOfLargest());
  }

  #push(oldest: Member<() => void> | null): boolean {
    if (oldest === null) return false;
    this.#all.delete(oldest);
    this.dropped++;
    oldest.item();
    return true;
  }
}

class Entry implements Disposable {
  readonly #all: FairGroups<() => void>;
  readonly #member: Member<() => void>;

  constructor(all: FairGroups<() => void>, member: Member<() => void>) {
    this.#all = all;
    this.#member = member;
  }

  [Symbol.dispose](): void {
    this.#all.delete(this.#member);
  }
}
