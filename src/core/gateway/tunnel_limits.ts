/** Limits of a tunnel's requests, those of all visitors and those of one; null = none. */
export interface LimitRules {
  /** Requests per second. */
  readonly rate: number | null;
  readonly visitorRate: number | null;
  /** Requests under way. */
  readonly concurrent: number | null;
  readonly visitorConcurrent: number | null;
}

export const NO_LIMITS: LimitRules = {
  rate: null,
  visitorRate: null,
  concurrent: null,
  visitorConcurrent: null,
};

/** Seconds whose requests may come at once: a browser asks for all parts of a page together. */
const BURST_SECONDS = 5;

/** Visitors that are remembered; those without a request under way are forgotten first. */
const MOST_VISITORS = 10_000;

/** Refusals: too often, in how many seconds it may be tried again; or too many at once. */
export type LimitVerdict =
  | { readonly kind: "pass" }
  | { readonly kind: "often"; readonly seconds: number }
  | { readonly kind: "many" };

const PASS: LimitVerdict = { kind: "pass" };

/** Requests that may begin now: they come again with the time (token bucket). */
class Bucket {
  readonly #rate: number | null;
  #tokens: number;
  #at: number;

  constructor(rate: number | null, now: number) {
    this.#rate = rate;
    this.#tokens = (rate ?? 0) * BURST_SECONDS;
    this.#at = now;
  }

  /** Milliseconds until another request may begin; 0 = now. */
  wait(now: number): number {
    if (this.#rate === null) return 0;
    const come = (now - this.#at) / 1000 * this.#rate;
    this.#tokens = Math.min(this.#rate * BURST_SECONDS, this.#tokens + come);
    this.#at = now;
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.#rate * 1000;
  }

  take(): void {
    this.#tokens--;
  }
}

interface Visitor {
  readonly bucket: Bucket;
  open: number;
}

/** Counts a tunnel's requests. */
export class TunnelLimits {
  readonly #rules: LimitRules;
  readonly #now: () => number;
  readonly #all: Bucket;
  readonly #visitors = new Map<string, Visitor>();
  #open = 0;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(rules: LimitRules, now: () => number) {
    this.#rules = rules;
    this.#now = now;
    this.#all = new Bucket(rules.rate, now());
  }

  /**
   * Counts a request of a visitor, before it has shown a login: that comes out of its own share alone.
   * `visitor`: what stands for all of its addresses. A request that passes ends with `end`.
   */
  begin(visitor: string): LimitVerdict {
    const { visitorConcurrent } = this.#rules;
    const found = this.#visitorOf(visitor);
    if (visitorConcurrent !== null && found.open >= visitorConcurrent) return { kind: "many" };
    const wait = found.bucket.wait(this.#now());
    if (wait > 0) return often(wait);
    found.bucket.take();
    found.open++;
    return PASS;
  }

  end(visitor: string): void {
    const found = this.#visitors.get(visitor);
    if (found !== undefined) found.open--;
  }

  /** Counts a request that is let in, out of all visitors' share. It ends with `leave`. */
  enter(): LimitVerdict {
    const { concurrent } = this.#rules;
    if (concurrent !== null && this.#open >= concurrent) return { kind: "many" };
    const wait = this.#all.wait(this.#now());
    if (wait > 0) return often(wait);
    this.#all.take();
    this.#open++;
    return PASS;
  }

  leave(): void {
    this.#open--;
  }

  #visitorOf(name: string): Visitor {
    const found = this.#visitors.get(name) ??
      { bucket: new Bucket(this.#rules.visitorRate, this.#now()), open: 0 };
    this.#visitors.delete(name);
    this.#visitors.set(name, found); // the newest is the last
    if (this.#visitors.size > MOST_VISITORS) this.#forget();
    return found;
  }

  #forget(): void {
    for (const [name, { open }] of this.#visitors) {
      if (open > 0) continue;
      this.#visitors.delete(name);
      return;
    }
  }
}

function often(ms: number): LimitVerdict {
  return { kind: "often", seconds: Math.ceil(ms / 1000) };
}
