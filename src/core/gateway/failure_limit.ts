import { parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";

/** Failures of an owner until it has to wait, and for how many milliseconds. */
const MOST_FAILURES = 10;
const WAIT_MS = 60_000;

/** Owners whose failures are remembered. */
const MOST_OWNERS = 10_000;

interface Failures {
  count: number;
  /** Time until which they count. */
  until: number;
}

/** Has those wait who have failed many times in a row to prove something. */
export class FailureLimit {
  readonly #now: () => number;
  readonly #failures = new Map<string, Failures>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  mayTry(owner: string): boolean {
    const found = this.#failures.get(owner);
    return found === undefined || found.count < MOST_FAILURES || this.#now() >= found.until;
  }

  failed(owner: string): void {
    const found = this.#failures.get(owner);
    const isFresh = found !== undefined && this.#now() < found.until;
    this.#failures.delete(owner);
    const count = (isFresh ? found.count : 0) + 1;
    this.#failures.set(owner, { count, until: this.#now() + WAIT_MS });
    if (this.#failures.size > MOST_OWNERS) {
      this.#failures.delete(this.#failures.keys().next().value!);
    }
  }
}

/** Returns what stands for all addresses of one visitor: of IPv6 everybody has a /64. */
export function ownerOf(visitor: string): string {
  const ip = parseIp(visitor);
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : visitor;
}
