import { toHex } from "../../../base/bytes.ts";
import { FairGroups, type Member } from "../../net/fair_groups.ts";

/** Most hellos remembered, completed or not. */
export const MOST_HELLOS = 65_536;

/** Time to remember a hello: stale after 120 s, from a clock up to 120 s ahead. */
const KEEP_MS = 250_000;

/**
 * Remembers the random parts of valid, fresh hellos: each opens one handshake. A full memory
 * refuses nobody, or a holder of the key could lock others out: it forgets hellos that were never
 * completed, then others; of each kind the oldest of the address that has the most. A forgotten one
 * that is replayed gets an answer but opens nothing: going on takes its private key.
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

  /** `name`: of the key, where there are several; their holders choose random parts each. */
  has(random: Uint8Array, name = ""): boolean {
    const key = keyOf(random, name);
    return this.#answered.has(key) || this.#completed.has(key);
  }

  /** Returns true for new bytes. `group`: the part of the sender's address that has one owner. */
  isNew(random: Uint8Array, unixMs: number, group: string, name = ""): boolean {
    this.#answered.forget(unixMs);
    this.#completed.forget(unixMs);
    if (this.has(random, name)) return false;
    this.#evictIdle();
    this.#answered.add(keyOf(random, name), unixMs, group);
    return true;
  }

  /** Records that the client has proved the key: its hello outlives those of others. */
  complete(random: Uint8Array, unixMs: number, group: string, name = ""): void {
    const key = keyOf(random, name);
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

function keyOf(random: Uint8Array, name: string): string {
  return toHex(random) + name;
}

interface Seen {
  readonly key: string;
  readonly since: number;
}

class Hellos {
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

  /** Forgets the oldest of the largest group. */
  dropOne(): void {
    this.#remove(this.#groups.oldestOfLargest()!);
  }

  #remove(member: Member<Seen>): void {
    this.#seen.delete(member.item.key);
    this.#groups.delete(member);
  }
}
