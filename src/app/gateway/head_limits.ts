import type { HttpRequest } from "../../core/http/exchange.ts";
import { RateLimits } from "../../core/net/rate_limits.ts";

/** Bytes of a head that cost nothing: most have fewer. */
const FREE = 2048;

/** Bytes beyond those in heads of one address: at first, and each second. */
const BYTES = { burst: 8 << 20, perSecond: 2 << 20, mostKeys: 10_000 };

/** Milliseconds of the longest pause. */
const LONGEST = 5_000;

/** Limits what the heads of an address's requests cost, on all its connections. */
export class HeadLimits {
  readonly #limits = new RateLimits(BYTES);

  /** Returns the milliseconds for which the connection is not to be read behind this head. */
  pauseFor(from: string, { path, fields }: HttpRequest, now: number): number {
    let size = path.length;
    for (const { name, value } of fields) size += name.length + value.length;
    if (size <= FREE) return 0;
    return Math.min(LONGEST, this.#limits.reserve(from, now, size - FREE));
  }
}
