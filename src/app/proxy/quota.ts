import type { Addr } from "../../base/addr.ts";
import { addressGroup } from "../pending.ts";

/** Counts connections, in total and by address; above a limit there is no place. */
export class Quota {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #byAddress = new Map<string, number>();
  #count = 0;
  #taken = 0;

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

  /** A place until disposed of; null when there is none. */
  take(from: Addr): Disposable | null {
    const group = addressGroup(from);
    const same = this.#byAddress.get(group) ?? 0;
    if (this.#count >= this.#total || same >= this.#perAddress) return null;
    this.#count++;
    this.#taken++;
    this.#byAddress.set(group, same + 1);
    return new Taken(this, group);
  }

  /** A place's own. */
  leave(group: string): void {
    this.#count--;
    const left = this.#byAddress.get(group)! - 1;
    if (left === 0) this.#byAddress.delete(group);
    else this.#byAddress.set(group, left);
  }
}

class Taken implements Disposable {
  readonly #quota: Quota;
  readonly #group: string;
  #isMine = true;

  constructor(quota: Quota, group: string) {
    this.#quota = quota;
    this.#group = group;
  }

  [Symbol.dispose](): void {
    if (!this.#isMine) return;
    this.#isMine = false;
    this.#quota.leave(this.#group);
  }
}
