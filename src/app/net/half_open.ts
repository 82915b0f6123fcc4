import type { Addr } from "../../base/addr.ts";
import { parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { withoutZone } from "../../base/zone.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";

/** Limits for connections between accept and the proof of the key. */
export interface PendingLimits {
  total: number;
  /** Of one IPv4 address or one IPv6 /64. */
  perAddress: number;
}

export const DEFAULT_PENDING: PendingLimits = { total: 2048, perAddress: 512 };

/**
 * The half-open connections, which have not proved the key yet. At a limit an older connection is
 * dropped, never the new one: at an address's limit the oldest of that address, at the total limit
 * the oldest of the address with most. A flood therefore only displaces connections of its own
 * address, and one connection of another address is safe.
 */
export class HalfOpen {
  readonly #limits: PendingLimits;
  readonly #all = new FairGroups<() => void>();
  /** Number of connections dropped so far. */
  dropped = 0;

  constructor(limits: PendingLimits = DEFAULT_PENDING) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Counts a connection until the result is disposed of; `drop` is called to close it. */
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

/** Groups addresses that one owner usually controls: an IPv4 address, or an IPv6 /64. */
export function addressGroup(from: Addr): string {
  if ("path" in from) return from.path;
  const ip = from.host.includes(":") ? parseIp(withoutZone(from.host)) : null;
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : from.host;
}
