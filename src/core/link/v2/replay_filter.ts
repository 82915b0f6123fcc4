import { toHex } from "../../../base/bytes.ts";
import { FairGroups, type Member } from "../../net/fair_groups.ts";

/** Most hellos that are remembered, completed or not. */
export const MOST_HELLOS = 65_536;

/** A hello is stale after 120 s; its sender's clock may be 120 s ahead. */
const KEEP_MS = 250_000;

/**
 * The random parts of hellos that were right and fresh: each one opens one handshake.
 *
 * Nobody is refused because the memory is full: a key's holder could fill it at will, and keep
 * everybody out. It forgets instead, first hellos whose handshake was never completed, then
 * completed ones, and of either kind the oldest of the address that has the most: whoever floods
 * makes his own hellos forgotten. A hello that is forgotten and comes again draws an answer, and
 * opens nothing, since it takes the private key behind it to go on.
 */
export class ReplayMemory {
  readonly #most: number;
  readonly #answered = new Hellos();
  readonly #completed = new Hellos();

  constructor(most = MOST_HELLOS) {
    this.#most = most;
  }

  get size(): number {
    return this.#answered.size + this.#completed.size;
  }

  /** True when `random` (8 bytes) is remembered. */
  has(random: Uint8Array): boolean {
    const key = toHex(random);
    return this.#answered.has(key) || this.#completed.has(key);
  }

  /**
   * True when `random` (8 bytes) is new; it is then remembered until its hello would be stale.
   * `group`: the address that it comes from, as far as it has one holder.
   */
  isNew(random: Uint8Array, unixMs: number, group: string): boolean {
    this.#answered.forget(unixMs);
    this.#completed.forget(unixMs);
    if (this.has(random)) return false;
    this.#evictIdle();
    this.#answered.add(toHex(random), unixMs, group);
    return true;
  }

  /** The client has proved the key: its hello outlives all whose clients did not. */
  complete(random: Uint8Array, unixMs: number, group: string): void {
    const key = toHex(random);
    this.#answered.delete(key);
    if (this.#completed.has(key)) return;
    this.#evictIdle();
    this.#completed.add(key, unixMs, group);
  }

  #evictIdle(): void {
    if (this.size < this.#most) return;
    (this.#answered.size > 0 ? this.#answered : this.#completed).dropOne();
  }
}

/** A hello's random part, and when it came. */
interface Seen {
  readonly key: string;
  readonly since: number;
}

/** Hellos of one kind. */
class Hellos {
  /** In the order in which they came. */
  readonly #seen = new Map<string, Member<Seen>>();
  readonly #groups = new FairGroups<Seen>();

  get size(): number {
    return this.#seen.size;
  }

  has(key: string): boolean {
    return this.#seen.has(key);
  }

  add(key: string, since: number, group: string): void {
    this.#seen.set(key, this.#groups.add(group, { key, since }));
  }

  delete(key: string): void {
    const member = this.#seen.get(key);
    if (member !== undefined) this.#remove(member);
  }

  forget(unixMs: number): void {
    for (const member of this.#seen.values()) {
      if (Math.abs(unixMs - member.item.since) < KEEP_MS) return;
      this.#remove(member);
    }
  }

  /** Drops the oldest of the group that has the most. */
  dropOne(): void {
    this.#remove(this.#groups.oldestOfLargest()!);
  }

  #remove(member: Member<Seen>): void {
    this.#seen.delete(member.item.key);
    this.#groups.delete(member);
  }
}
