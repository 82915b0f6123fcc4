import type { Addr } from "../../base/addr.ts";
import { FairGroups, type Member } from "../../core/net/fair_groups.ts";
import { addressGroup } from "./half_open.ts";

/** A connection that can be ended for another one's sake. */
export interface Holder {
  /** Whose it is: connections of one account are shared among its addresses. */
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
 * with most, which loses an idle one, and so it goes among the addresses of one account and among the
 * accounts of one address: each can have its share, whatever others do.
 */
export class Quota {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #byAddress = new Map<string, number>();
  readonly #accounts = new FairGroups<Taken>();
  /** Of each account, by address. */
  readonly #ofAccount = new Map<string, FairGroups<Taken>>();
  /** At each address, by account. */
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
    const isAddressFull = same >= this.#perAddress;
    const isFull = isAddressFull || this.#count >= this.#total;
    if (isFull && !this.#makeWay(holder, group, isAddressFull)) return null;
    this.#count++;
    this.#taken++;
    this.#byAddress.set(group, (this.#byAddress.get(group) ?? 0) + 1);
    const place = new Taken(this, group, holder ?? null);
    if (holder !== undefined) {
      const { account } = holder;
      place.members = [
        this.#accounts.add(account, place),
        groupsOf(this.#ofAccount, account).add(group, place),
        groupsOf(this.#atAddress, group).add(account, place),
      ];
    }
    return place;
  }

  /**
   * Ends a connection for the newcomer's sake: where all places are taken one of the account with
   * most, or, if that is the newcomer's own, of its address with most; where an address has its share,
   * one of the account with most there. False where the newcomer is the greediest.
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

  /** Ends the idlest of the largest group; not where that has hardly more than the newcomer's own. */
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
    item[Symbol.dispose](); // its descriptors follow in a moment
    this.#evicted++;
    item.holder!.evict();
    return true;
  }

  /** A place's own. */
  leave(place: Taken): void {
    this.#count--;
    const { group, holder, members } = place;
    if (holder !== null) {
      const [ofAll, ofAccount, atAddress] = members as [
        Member<Taken>,
        Member<Taken>,
        Member<Taken>,
      ];
      this.#accounts.delete(ofAll);
      this.#ofAccount.get(holder.account)!.delete(ofAccount);
      this.#atAddress.get(group)!.delete(atAddress);
      forgetEmpty(this.#ofAccount, holder.account);
      forgetEmpty(this.#atAddress, group);
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
  members: readonly Member<Taken>[] = [];
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

function forgetEmpty(all: Map<string, FairGroups<Taken>>, name: string): void {
  if (all.get(name)?.size === 0) all.delete(name);
}
