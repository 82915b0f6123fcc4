import type { Addr } from "../../base/addr.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";
import { addressGroup } from "../pending.ts";

/** A connection that can be ended for another one's sake. */
export interface Holder {
  /** Whose it is: connections of one account are counted together. */
  readonly account: string;
  /** When it last carried anything, in milliseconds of the clock. */
  readonly lastActive: number;
  /** Ends it. */
  evict(): void;
}

/** Number of an account's oldest connections among which the idlest is looked for. */
const LOOKED_AT = 64;

/**
 * Counts connections, in total and by address; above a limit there is no place. An account alone may
 * have all of them. When they are all taken, an account with fewer gets a place at the cost of the one
 * with most, which loses an idle one: so that each can have its share, whatever others do.
 */
export class Quota {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #byAddress = new Map<string, number>();
  readonly #accounts = new FairGroups<Taken>();
  #count = 0;
  #taken = 0;
  #evicted = 0;

  constructor(o: { total: number; perAddress: number }) {
    this.#total = o.total;
    this.#perAddress = o.perAddress;
  }

  get count(): number {
    return this.#count;
  }

  /** Places that were ever taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Connections that were ended for others. */
  get evicted(): number {
    return this.#evicted;
  }

  /** A place until disposed of; null when there is none. */
  take(from: Addr, holder?: Holder): Disposable | null {
    const group = addressGroup(from);
    const same = this.#byAddress.get(group) ?? 0;
    if (same >= this.#perAddress) {
      if (!this.#makeWay(holder, group)) return null; // several accounts behind one address
    } else if (this.#count >= this.#total && !this.#makeWay(holder)) return null;
    this.#count++;
    this.#taken++;
    this.#byAddress.set(group, (this.#byAddress.get(group) ?? 0) + 1);
    const place = new Taken(this, group, holder ?? null);
    if (holder !== undefined) place.member = this.#accounts.add(holder.account, place);
    return place;
  }

  /**
   * Ends the idlest connection of the account with most, where that has more than the newcomer's;
   * with `address` one from there.
   */
  #makeWay(by: Holder | undefined, address?: string): boolean {
    const oldest = this.#accounts.oldestOfLargest();
    if (by === undefined || oldest === null) return false;
    if (oldest.group.size <= this.#accounts.sizeOf(by.account) + 1) return false;
    let idlest: Member<Taken> | null = null;
    let left = LOOKED_AT;
    for (let one: Member<Taken> | null = oldest; one !== null && left > 0; one = one.next) {
      if (address !== undefined && one.item.group !== address) continue;
      left--;
      const isIdler = idlest === null ||
        one.item.holder!.lastActive < idlest.item.holder!.lastActive;
      if (isIdler) idlest = one;
    }
    if (idlest === null) return false;
    const { item } = idlest;
    item[Symbol.dispose](); // its descriptors follow in a moment
    this.#evicted++;
    item.holder!.evict();
    return true;
  }

  /** A place's own. */
  leave(place: Taken): void {
    this.#count--;
    const { group, member } = place;
    if (member !== null) this.#accounts.delete(member);
    const left = this.#byAddress.get(group)! - 1;
    if (left === 0) this.#byAddress.delete(group);
    else this.#byAddress.set(group, left);
  }
}

class Taken implements Disposable {
  readonly #quota: Quota;
  readonly group: string;
  readonly holder: Holder | null;
  member: Member<Taken> | null = null;
  #isMine = true;

  constructor(quota: Quota, group: string, holder: Holder | null) {
    this.#quota = quota;
    this.group = group;
    this.holder = holder;
  }

  [Symbol.dispose](): void {
    if (!this.#isMine) return;
    this.#isMine = false;
    this.#quota.leave(this);
  }
}
