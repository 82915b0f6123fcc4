import type { Addr } from "../base/addr.ts";
import { parseIp } from "../base/addr.ts";
import { toHex } from "../base/bytes.ts";
import { withoutZone } from "../base/zone.ts";

/** How many connections may be between accept and proof. */
export interface PendingLimits {
  total: number;
  /** From one IPv4 address, or one IPv6 /64. */
  perAddress: number;
}

export const DEFAULT_PENDING: PendingLimits = { total: 2048, perAddress: 512 };

class Entry implements Disposable {
  readonly number: number;
  readonly address: string;
  readonly drop: () => void;
  readonly #remove: (entry: Entry) => void;

  constructor(
    number: number,
    address: string,
    drop: () => void,
    remove: (entry: Entry) => void,
  ) {
    this.number = number;
    this.address = address;
    this.drop = drop;
    this.#remove = remove;
  }

  [Symbol.dispose](): void {
    this.#remove(this);
  }
}

/**
 * The connections that have not proved the key yet. At a limit the oldest one goes, never the new
 * one: who floods pushes out his own, and a client that has the key is through in a round trip.
 */
export class Pending {
  readonly #limits: PendingLimits;
  /** In the order of arrival, as a Map is. By number: an object would first have to get a hash. */
  readonly #all = new Map<number, Entry>();
  readonly #byAddress = new Map<string, Map<number, Entry>>();
  #next = 0;
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
    const entry = new Entry(this.#next++, addressGroup(from), drop, this.#remove);
    const sameAddress = this.#byAddress.get(entry.address);
    if (sameAddress !== undefined && sameAddress.size >= this.#limits.perAddress) {
      this.#push(sameAddress);
    }
    if (this.#all.size >= this.#limits.total) this.#push(this.#all);
    this.#all.set(entry.number, entry);
    const group = this.#byAddress.get(entry.address);
    if (group !== undefined) group.set(entry.number, entry);
    else this.#byAddress.set(entry.address, new Map([[entry.number, entry]]));
    return entry;
  }

  /** Makes room when descriptors run out; false when nothing was pending. */
  dropOldest(): boolean {
    if (this.#all.size === 0) return false;
    this.#push(this.#all);
    return true;
  }

  #push(from: Map<number, Entry>): void {
    for (const oldest of from.values()) {
      this.#remove(oldest);
      this.dropped++;
      oldest.drop();
      return;
    }
  }

  readonly #remove = (entry: Entry): void => {
    this.#all.delete(entry.number);
    const group = this.#byAddress.get(entry.address);
    group?.delete(entry.number);
    if (group?.size === 0) this.#byAddress.delete(entry.address);
  };
}

/** Addresses that one holder usually has all of: an IPv4 address, an IPv6 /64. */
export function addressGroup(from: Addr): string {
  if ("path" in from) return from.path;
  const ip = from.host.includes(":") ? parseIp(withoutZone(from.host)) : null;
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : from.host;
}
