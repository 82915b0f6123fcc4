/** Packets of one friend between the threads: at first and at least, and at most. */
export const LEAST_WINDOW = 32;
const MOST_WINDOW = 256;

/**
 * Packets of one friend that are on their way to the library. There are as few as keep it at work:
 * whatever waits there goes before a later, more urgent packet.
 */
export class SendWindow {
  /** Packets that the library has not taken. */
  unsent = 0;
  #size = LEAST_WINDOW;
  /** A packet was refused since the last report. */
  #wasFull = false;

  /** Returns true if one more may go. */
  admit(): boolean {
    if (this.unsent < this.#size) return true;
    this.#wasFull = true;
    return false;
  }

  /** The library has taken so many; `waiting`: it takes no more at the moment, and some are left. */
  taken(count: number, waiting: boolean): void {
    this.unsent -= count;
    if (waiting) this.#size = Math.max(LEAST_WINDOW, this.#size - 1);
    else if (this.#wasFull) this.#size = Math.min(MOST_WINDOW, this.#size * 2);
    this.#wasFull = false;
  }
}
