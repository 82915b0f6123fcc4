/**
 * Round trips within which half of a window must be used up for it to grow. A small window costs
 * little, and round trips vary.
 */
const GROWTH_ROUNDS = 2;
const GROWTH_ROUNDS_SMALL = 4;

/** Bytes below which a window is small. */
const SMALL = 256 * 1024;

/** Milliseconds that stand for the round trip until one was measured. */
const UNKNOWN_RTT = 100;

/**
 * True where so much of a window was used up in `elapsed` milliseconds that the window, and not the
 * reader, may have been what the sender waited for. `rtt` is NaN before it is known.
 */
export function isUsedFast(elapsed: number, rtt: number, rounds = GROWTH_ROUNDS): boolean {
  return elapsed <= rounds * (Number.isNaN(rtt) ? UNKNOWN_RTT : rtt);
}

/** Memory that windows may take together: of one session, or of all. */
export interface WindowBudget {
  /** Takes `bytes` more; false, with nothing taken, where there is no room. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Windows are to shrink: more than half is taken. */
  readonly isShort: boolean;
}

export class SharedBudget implements WindowBudget {
  readonly #most: number;
  readonly #parent: WindowBudget | null;
  #taken = 0;

  /** `parent`: a budget that this one is a part of. */
  constructor(most: number, parent: WindowBudget | null = null) {
    this.#most = most;
    this.#parent = parent;
  }

  get isShort(): boolean {
    return this.#taken * 2 > this.#most || this.#parent?.isShort === true;
  }

  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#most) return false;
    if (this.#parent !== null && !this.#parent.take(bytes)) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
    this.#parent?.give(bytes);
  }
}

/**
 * Flow control of one receiver: how many bytes the peer may have sent since the beginning. The
 * window grows to the bandwidth-delay product: it doubles when half of it was read within some round
 * trips, which means that it, and not the reader, was what the sender waited for. Sums only grow
 * (docs/wire/link-v2.md, "Streams"), so a smaller window shows when the reader has read on.
 */
export class ReceiveWindow {
  readonly #first: number;
  readonly #most: number;
  readonly #budget: WindowBudget;
  #window: number;
  /** Bytes allowed, as the peer was told last; bytes received; bytes read. */
  #granted: number;
  #received = 0;
  #read = 0;
  /** Time of the last grant. */
  #grantedAt: number;
  /** Limit before a grant, and the time of that: what lies beyond was sent when the peer knew it. */
  #mark = Infinity;
  #markedAt = 0;

  /** `first` is what the peer may send without a window frame; `now` in milliseconds. */
  constructor(first: number, most: number, budget: WindowBudget, now: number) {
    this.#first = this.#window = this.#granted = first;
    this.#most = most;
    this.#budget = budget;
    this.#grantedAt = now;
  }

  get granted(): number {
    return this.#granted;
  }

  /** Bytes that are here and were not read. */
  get held(): number {
    return this.#received - this.#read;
  }

  /** Returns false for more than the peer may send. */
  receive(bytes: number): boolean {
    this.#received += bytes;
    return this.#received <= this.#granted;
  }

  /**
   * Returns the milliseconds between a grant and the first bytes that needed it, once: a round trip if
   * the peer waited for the grant, and more if it did not. Otherwise, and for a grant before `since`,
   * NaN.
   */
  takeRoundTrip(now: number, since: number): number {
    if (this.#received <= this.#mark) return NaN;
    this.#mark = Infinity;
    return this.#markedAt < since ? NaN : now - this.#markedAt;
  }

  /** Returns true when the peer should be told of a new limit (`grant`). */
  consume(bytes: number): boolean {
    this.#read += bytes;
    return this.#granted - this.#read <= this.#window / 2;
  }

  /** Sets and returns the new limit. `rtt` in milliseconds, NaN before it is known. */
  grant(now: number, rtt: number): number {
    const rounds = this.#window < SMALL ? GROWTH_ROUNDS_SMALL : GROWTH_ROUNDS;
    const isFast = isUsedFast(now - this.#grantedAt, rtt, rounds);
    if (this.#granted > this.#first || this.#read > 0) this.#resize(isFast);
    this.#grantedAt = now;
    const limit = Math.max(this.#granted, this.#read + this.#window);
    if (limit > this.#granted && this.#mark === Infinity) {
      this.#mark = this.#granted;
      this.#markedAt = now;
    }
    return this.#granted = limit;
  }

  #resize(isFast: boolean): void {
    const extra = this.#window - this.#first;
    if (this.#budget.isShort && extra > 0) {
      const less = Math.ceil(extra / 2);
      this.#window -= less;
      this.#budget.give(less);
      return;
    }
    const more = Math.min(this.#window, this.#most - this.#window);
    if (isFast && more > 0 && !this.#budget.isShort && this.#budget.take(more)) {
      this.#window += more;
    }
  }

  /** Gives the memory beyond the first window back. */
  close(): void {
    this.#budget.give(this.#window - this.#first);
    this.#window = this.#first;
  }
}
