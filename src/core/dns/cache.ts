import type { Outcome } from "./name_query.ts";

const MOST_NAMES = 2048;

/** Least time in seconds: a TTL of zero serves those that ask in the same moment. */
const LEAST_TTL = 1;
const MOST_TTL = 600;
const MOST_NEGATIVE_TTL = 60;

/** Outcomes worth keeping: addresses, or the fact that there are none. */
export type Kept = Exclude<Outcome, { kind: "alias" | "failed" | "silent" }>;

/** Keeps answers for as long as they hold (RFC 2308). Times: milliseconds. */
export class DnsCache {
  readonly #kept = new Map<string, { outcome: Kept; until: number }>();

  get size(): number {
    return this.#kept.size;
  }

  get(name: string, now: number): Kept | null {
    const found = this.#kept.get(name);
    if (found === undefined) return null;
    if (now < found.until) return found.outcome;
    this.#kept.delete(name);
    return null;
  }

  put(name: string, outcome: Kept, now: number): void {
    if (outcome.ttl === null) return;
    const most = outcome.kind === "addresses" ? MOST_TTL : MOST_NEGATIVE_TTL;
    const seconds = Math.min(most, Math.max(LEAST_TTL, outcome.ttl));
    this.#kept.delete(name);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < MOST_NAMES) break;
      this.#kept.delete(oldest);
    }
    this.#kept.set(name, { outcome, until: now + 1000 * seconds });
  }

  clear(): void {
    this.#kept.clear();
  }
}
