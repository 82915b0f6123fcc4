import { toHex } from "../../base/bytes.ts";
import { FairGroups, type Member } from "../net/fair_groups.ts";

/** Most hellos that are remembered: of the address with most of them the oldest goes then. */
export const MOST_HELLOS = 65_536;

/** A hello is stale after 120 s; its sender's clock may be 120 s ahead. */
const KEEP_MS = 250_000;

/** A hello's random part, and when it came. */
interface Seen {
  readonly key: string;
  readonly since: number;
}

/**
 * The random parts of hellos that were right and fresh: each one opens one handshake. Whoever has the
 * key and sends very many makes the memory forget his own; those are no use to others, who would have
 * to finish the handshake that they begin. An honest client is never taken for a replay.
 */
export class ReplayMemory {
  /** In the order in which they came. */
  readonly #seen = new Map<string, Member<Seen>>();
  readonly #groups = new FairGroups<Seen>();

  /**
   * Whether `random` (8 bytes) is new; it is remembered until its hello would be stale. `group`: the
   * address that it comes from, as far as it has one holder.
   */
  isNew(random: Uint8Array, unixMs: number, group: string): boolean {
    this.#forget(unixMs);
    const key = toHex(random);
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= MOST_HELLOS) this.#delete(this.#groups.oldestOfLargest()!);
    this.#seen.set(key, this.#groups.add(group, { key, since: unixMs }));
    return true;
  }

  #forget(unixMs: number): void {
    for (const member of this.#seen.values()) {
      if (Math.abs(unixMs - member.item.since) < KEEP_MS) return;
      this.#delete(member);
    }
  }

  #delete(member: Member<Seen>): void {
    this.#seen.delete(member.item.key);
    this.#groups.delete(member);
  }
}
