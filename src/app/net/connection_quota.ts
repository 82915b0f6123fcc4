import type { Addr } from "../../base/addr.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";
import { addressGroup } from "./address_group.ts";

/** A connection that can be evicted for another. */
export interface Holder {
  /** An account's connections are shared among its addresses. */
  readonly account: string;
  /** Time of the last byte, in milliseconds of the clock. */
  readonly lastActive: number;
  evict(): void;
}

/** An account's oldest connections that are searched for the most idle one. */
const LOOKED_AT = 64;

/**
 * Limits connections in total and by address. If all are used, an account with fewer connections
 * gets a slot from the account with most, which loses an idle one; likewise among the addresses of
 * an account and the accounts of an address. Each can thus have its share, whatever others do.
 */
export class Quota {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #byAddress = new Map<string, number>();
  readonly #accounts = new FairGroups<Taken>();
  /** Account → its connections, by address. */
  readonly #ofAccount = new Map<string, FairGroups<Taken>>();
  /** Address → its connections, by account. */
  readonly #atAddress = new Map<string, FairGroups<Taken>>();
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

  /** The number of connections that were ever admitted. */
  get taken(): number {
    return this.#taken;
  }

  /** The number of connections that were evicted for others. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Takes a slot until it is disposed of; null if there is none. */
  take(from: Addr, holder?: Holder): Disposable | null {
    const group = addressGroup(from);
    const same = this.#byAddress.get(group) ?? 0;
    const isAddressFull = same >= this.#perAddress;
    const isFull = isAddressFull || this.#count >= this.#total;
    if (isFull && !this.#makeWay(holder, group, isAddressFull)) return null;
    this.#count++;
    this.#taken++;
    this.#byAddress.set(group, (this.#byAddress.get(group) ?? 0) + 1);
    const place = new Taken(this, group, holder ?? null);
    if (holder !== undefined) {
      const { account } = holder;
      place.ofAll = this.#accounts.add(account, place);
      place.ofAccount = groupsOf(this.#ofAccount, account).add(group, place);
      place.atAddress = groupsOf(this.#atAddress, group).add(account, place);
    }
    return place;
  }

  /**
   * If all slots are used, evicts one of the account with most, or, if that is the newcomer's, of
   * its address with most; if an address is full, one of the account with most there. Returns false
   * if the newcomer's group is already the largest.
   */
  #makeWay(by: Holder | undefined, address: string, isAddressFull: boolean): boolean {
    if (by === undefined) return false;
    const { account } = by;
    if (isAddressFull) return this.#evict(this.#atAddress.get(address), account);
    const largest = this.#accounts.oldestOfLargest();
    if (largest === null) return false;
    const isOwn = largest.group.size <= this.#accounts.sizeOf(account) + 1;
    if (isOwn) return this.#evict(this.#ofAccount.get(account), address);
    return this.#evict(this.#ofAccount.get(largest.group.name), null);
  }

  /** Evicts the most idle one of the largest group, unless that hardly exceeds group `own`. */
  #evict(groups: FairGroups<Taken> | undefined, own: string | null): boolean {
    const oldest = groups?.oldestOfLargest() ?? null;
    if (oldest === null) return false;
    if (own !== null && oldest.group.size <= groups!.sizeOf(own) + 1) return false;
    let idlest = oldest;
    let left = LOOKED_AT;
    for (let one: Member<Taken> | null = oldest; one !== null && left > 0; one = one.next, left--) {
      if (one.item.holder!.lastActive < idlest.item.holder!.lastActive) idlest = one;
    }
    const { item } = idlest;
    item[Symbol.dispose](); // its descriptors are closed a moment later
    this.#evicted++;
    item.holder!.evict();
    return true;
  }

  /** Called by the slot when it is disposed of. */
  leave(place: Taken): void {
    this.#count--;
    const { group, holder } = place;
    if (holder !== null) {
      const { account } = holder;
      this.#accounts.delete(place.ofAll!);
      leaveGroups(this.#ofAccount, account, place.ofAccount!);
      leaveGroups(this.#atAddress, group, place.atAddress!);
    }
    const left = this.#byAddress.get(group)! - 1;
    if (left === 0) this.#byAddress.delete(group);
    else this.#byAddress.set(group, left);
  }
}

class Taken implements Disposable {
  readonly #quota: Quota;
  readonly group: string;
  readonly holder: Holder | null;
  /** Null without a holder, like the next two. */
  ofAll: Member<Taken> | null = null;
  ofAccount: Member<Taken> | null = null;
  atAddress: Member<Taken> | null = null;
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

function groupsOf(all: Map<string, FairGroups<Taken>>, name: string): FairGroups<Taken> {
  const known = all.get(name);
  if (known !== undefined) return known;
  const groups = new FairGroups<Taken>();
  all.set(name, groups);
  return groups;
}

function leaveGroups(
  all: Map<string, FairGroups<Taken>>,
  name: string,
  member: Member<Taken>,
): void {
  const groups = all.get(name)!;
  groups.delete(member);
  if (groups.size === 0) all.delete(name);
}
