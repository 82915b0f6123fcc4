import type { Addr } from "../../base/addr.ts";
import { parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { withoutZone } from "../../base/zone.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";

/** How many connections may be between accept and proof. */
export interface PendingLimits {
  total: number;
  /** From one IPv4 address, or one IPv6 /64. */
  perAddress: number;
}

export const DEFAULT_PENDING: PendingLimits = { total: 2048, perAddress: 512 };

/**
 * The connections that have not proved the key yet. At a limit the oldest one of an address goes,
 * never the new one: at its own limit, or at that of all, where it is the address with most of them.
 * Whoever floods pushes out his own; one connection of an address is safe from many of others.
 */
export class HalfOpen {
  readonly #limits: PendingLimits;
  readonly #all = new FairGroups<() => void>();
  /** How many were pushed out, since the beginning. */
  dropped = 0;

  constructor(limits: PendingLimits = DEFAULT_PENDING) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Counts a connection until disposed of; `drop` closes it when it must make room. */
  add(from: Addr, drop: () => void): Disposable {
    const group = addressGroup(from);
    const { total, perAddress } = this.#limits;
    if (this.#all.sizeOf(group) >= perAddress) this.#push(this.#all.oldestOf(group));
    if (this.#all.size >= total) this.dropOldest();
    return new Entry(this.#all, this.#all.add(group, drop));
  }

  /** Makes room when descriptors run out; false when nothing was pending. */
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

/** Addresses that one holder usually has all of: an IPv4 address, an IPv6 /64. */
export function addressGroup(from: Addr): string {
  if ("path" in from) return from.path;
  const ip = from.host.includes(":") ? parseIp(withoutZone(from.host)) : null;
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : from.host;
}
