import { isUsedFast, type WindowBudget } from "./receive_window.ts";

/** Part of the window that may be left when more is granted. */
const LEFT = 1 / 2;

/**
 * Flow control of all streams of a session together. Bytes that nobody reads take their part of it,
 * so it grows, as far as the budget goes, until the other streams have room beside them. It grows
 * to the bandwidth-delay product as a stream's window does.
 */
export class TotalWindow {
  readonly #first: number;
  readonly #most: number;
  readonly #budget: WindowBudget;
  #window: number;
  #granted: number;
  #received = 0;
  #read = 0;
  /** Time of the last grant. */
  #grantedAt: number;

  /** `first` is what the peer may send without a window frame; `now` in milliseconds. */
  constructor(first: number, most: number, budget: WindowBudget, now: number) {
    this.#grantedAt = now;
    this.#first = this.#window = this.#granted = first;
    this.#most = most;
    this.#budget = budget;
  }

  get granted(): number {
    return this.#granted;
  }

  /** Bytes that have come since the beginning. */
  get received(): number {
    return this.#received;
  }

  /** Returns false for more than the peer may send. */
  receive(bytes: number): boolean {
    this.#received += bytes;
    return this.#received <= this.#granted;
  }

  consume(bytes: number): void {
    this.#read += bytes;
  }

  /** The peer should be told of a new limit, or there is no room for one. */
  get isDue(): boolean {
    return this.#granted - this.#received <= this.#window * LEFT;
  }

  /**
   * Returns the new limit, or null where it would be too little more to say. `rtt` in milliseconds,
   * NaN before it is known.
   */
  grant(now: number, rtt: number): number | null {
    const held = this.#received - this.#read;
    const more = Math.min(this.#window, this.#most - this.#window);
    const grows = held * 2 >= this.#window || isUsedFast(now - this.#grantedAt, rtt);
    if (grows && more > 0 && !this.#budget.isShort && this.#budget.take(more)) {
      this.#window += more;
    } else if (this.#budget.isShort && held * 4 < this.#window) this.#shrink();
    const limit = this.#read + this.#window;
    if (limit - this.#granted < this.#window / 8) return null;
    this.#grantedAt = now;
    return this.#granted = limit;
  }

  #shrink(): void {
    const less = Math.ceil((this.#window - this.#first) / 2);
    this.#window -= less;
    this.#budget.give(less);
  }

  /** Gives the memory beyond the first window back. */
  close(): void {
    this.#budget.give(this.#window - this.#first);
    this.#window = this.#first;
  }
}
