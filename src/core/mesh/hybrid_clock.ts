const COUNTER_BITS = 16n;

/** Stamps that are further ahead of the own clock are refused, so that one fast clock drags nobody. */
export const MAX_AHEAD_MS = 60_000;

/** A node whose clock is so far off those of the others originates no durable write. */
export const MAX_OFF_MS = 10_000;

/** How far ahead of the clock stamps are reserved on the disk. */
export const RESERVED_MS = 60_000;

/** A reservation is renewed when less than this is left of it. */
const RENEW_MS = 10_000;

/** The least that a renewal adds, where stamps are nearly as far ahead as they may be. */
const LEAST_MS = 100;

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

  /**
   * Returns a new stamp, or null while nothing is reserved for it, or while it would be too far ahead
   * for others, whose clocks are up to `lagMs` behind this one.
   */
  next(nowMs: number, lagMs = 0): bigint | null {
    const stamp = this.#following(nowMs);
    if (stamp >= this.#reserved || stamp > hlcOfMs(nowMs + MAX_AHEAD_MS - lagMs)) return null;
    this.#last = stamp;
    return stamp;
  }

  /**
   * Returns for how many milliseconds the next stamp is too far ahead for others. That is so where a
   * node starts again just after it has reserved stamps, or has seen some that were ahead.
   */
  holdMs(nowMs: number, lagMs: number): number {
    return Math.max(0, msOfHlc(this.#following(nowMs)) - (nowMs + MAX_AHEAD_MS - lagMs));
  }

  #following(nowMs: number): bigint {
    const physical = hlcOfMs(nowMs);
    return physical > this.#last ? physical : this.#last + 1n;
  }

  /** Follows a stamp of another node. Returns false, and does not, when it is too far ahead. */
  observe(stamp: bigint, nowMs: number): boolean {
    if (stamp > hlcOfMs(nowMs + MAX_AHEAD_MS)) return false;
    if (stamp > this.#last) this.#last = stamp;
    return true;
  }

  /**
   * Returns what is to be reserved on the disk now, or null when there is enough. After a restart
   * stamps begin there: it is never further ahead than others take a stamp to be.
   */
  wanted(nowMs: number): bigint | null {
    const wanted = hlcOfMs(nowMs + RESERVED_MS);
    const isEnough = this.#asked > this.#following(nowMs) + hlcOfMs(RENEW_MS);
    if (isEnough || wanted < this.#asked + hlcOfMs(LEAST_MS)) return null;
    this.#asked = wanted;
    return wanted;
  }

  /** To be called when a reservation is on the disk. */
  reserved(stamp: bigint): void {
    if (stamp > this.#reserved) this.#reserved = stamp;
  }

  /**
   * Gives back what is reserved: no stamp follows. Returns what is to be on the disk in its place, so
   * that the next run begins with the time.
   */
  release(): bigint {
    this.#reserved = this.#last;
    return this.#last;
  }

  /** To be called when the disk refused a reservation: it is asked for again. */
  refused(): void {
    this.#asked = this.#reserved;
  }
}
