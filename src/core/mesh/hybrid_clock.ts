const COUNTER_BITS = 16n;

/** Stamps that are further ahead of the own clock are refused, so that one fast clock drags nobody. */
export const MAX_AHEAD_MS = 60_000;

/**
 * How much is reserved on the disk at once. After a restart stamps begin there, so it is well below
 * what other nodes take for a wrong clock.
 */
const RESERVED_MS = 30_000;

/** A reservation is renewed when less than this is left of it. */
const RENEW_MS = 10_000;

export function hlcOfMs(ms: number): bigint {
  return BigInt(Math.floor(ms)) << COUNTER_BITS;
}

export function msOfHlc(hlc: bigint): number {
  return Number(hlc >> COUNTER_BITS);
}

/**
 * A hybrid logical clock: 48 bits of Unix milliseconds and a counter of 16. It follows the own clock
 * and the stamps that were seen, and never gives one twice, over restarts neither: stamps are given
 * only below what is reserved on disk.
 */
export class HybridClock {
  #last: bigint;
  #reserved: bigint;
  #asked: bigint;

  /** `reserved`: what an earlier run had reserved, 0 for a new node. */
  constructor(reserved: bigint) {
    this.#last = reserved;
    this.#reserved = reserved;
    this.#asked = reserved;
  }

  /** Returns a new stamp, or null while nothing is reserved for it. */
  next(nowMs: number): bigint | null {
    const physical = hlcOfMs(nowMs);
    const stamp = physical > this.#last ? physical : this.#last + 1n;
    if (stamp >= this.#reserved) return null;
    this.#last = stamp;
    return stamp;
  }

  /** Follows a stamp of another node. Returns false, and does not, when it is too far ahead. */
  observe(stamp: bigint, nowMs: number): boolean {
    if (stamp > hlcOfMs(nowMs + MAX_AHEAD_MS)) return false;
    if (stamp > this.#last) this.#last = stamp;
    return true;
  }

  /** Returns what is to be reserved on the disk now, or null when there is enough. */
  wanted(nowMs: number): bigint | null {
    const physical = hlcOfMs(nowMs);
    const from = physical > this.#last ? physical : this.#last;
    if (this.#asked > from + hlcOfMs(RENEW_MS)) return null;
    this.#asked = from + hlcOfMs(RESERVED_MS);
    return this.#asked;
  }

  /** To be called when a reservation is on the disk. */
  reserved(stamp: bigint): void {
    if (stamp > this.#reserved) this.#reserved = stamp;
  }

  /** To be called when the disk refused a reservation: it is asked for again. */
  refused(): void {
    this.#asked = this.#reserved;
  }
}
