export interface RateLimitsOptions {
  /** Tokens that a key begins with, which is as many as it can have. */
  readonly burst: number;
  /** Tokens that come back. */
  readonly perSecond: number;
  /** Keys that are remembered; one that is forgotten begins anew. */
  readonly mostKeys: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets, one for each of a bounded number of keys. Times are milliseconds of one clock. */
export class RateLimits {
  readonly #o: RateLimitsOptions;
  /** The one that was used longest ago first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(o: RateLimitsOptions) {
    this.#o = o;
  }

  /** Takes a token; returns false if there is none. */
  take(key: string, now: number): boolean {
    const bucket = this.#use(key, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Takes tokens, also those that are still to come; returns the milliseconds until they are there. */
  reserve(key: string, now: number, count = 1): number {
    const bucket = this.#use(key, now);
    bucket.tokens -= count;
    return Math.max(0, -bucket.tokens / this.#o.perSecond * 1000);
  }

  #use(key: string, now: number): Bucket {
    const { burst, perSecond, mostKeys } = this.#o;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    const gained = Math.max(0, now - bucket.at) / 1000 * perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + gained);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > mostKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
