/** Counters below the highest one of which it is known whether they have come. */
export const REPLAY_WINDOW = 8192;

/** Words of 32 bits that have the window, and one more: the highest word is never full. */
const WORDS = REPLAY_WINDOW / 32 + 1;

/** Remembers which counters have come, as RFC 6479 does: blocks are cleared, nothing is shifted. */
export class ReplayWindow {
  readonly #bits = new Int32Array(WORDS);
  #highest = -1;

  /** The highest counter so far; -1 = none. */
  get highest(): number {
    return this.#highest;
  }

  /** True if it has not come, and is not so old that nobody knows. */
  isNew(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter <= this.#highest - REPLAY_WINDOW) return false;
    return (this.#bits[Math.floor(counter / 32) % WORDS]! & 1 << counter % 32) === 0;
  }

  /** Marks a counter that is new, once its datagram has proved to be the peer's. */
  mark(counter: number): void {
    const word = Math.floor(counter / 32);
    if (counter > this.#highest) {
      const last = Math.floor(Math.max(this.#highest, 0) / 32);
      const first = Math.max(last + 1, word - WORDS + 1);
      for (let i = first; i <= word; i++) this.#bits[i % WORDS] = 0;
      this.#highest = counter;
    }
    const at = word % WORDS;
    this.#bits[at] = this.#bits[at]! | 1 << counter % 32;
  }
}
