/**
 * Controlled delay (RFC 8289): says which packets to drop so that a queue does not stand. A burst
 * may be as long as it likes; a delay that has not once been below `target` within `interval` is a
 * standing queue, and senders are told by a loss now and then, more often the longer it stands.
 * Times are milliseconds on any one clock.
 */
export class CoDel {
  readonly #target: number;
  readonly #interval: number;
  /** When a delay above target becomes a standing queue; null = it was below just now. */
  #standingAt: number | null = null;
  #isDropping = false;
  #dropNext = 0;
  #count = 0;
  #lastCount = 0;

  constructor(o: { targetMs: number; intervalMs: number }) {
    this.#target = o.targetMs;
    this.#interval = o.intervalMs;
  }

  /**
   * Whether the packet that has just left the queue is to be dropped. `delay`: how long it was in
   * there; `isLast`: nothing is left behind it, so that the link would run dry (section 5.4).
   */
  drops(now: number, delay: number, isLast: boolean): boolean {
    const isStanding = this.#isStanding(now, delay, isLast);
    if (!this.#isDropping) return isStanding && this.#beginDropping(now);
    if (!isStanding) return this.#isDropping = false;
    if (now < this.#dropNext) return false;
    this.#count++;
    this.#dropNext = this.#after(this.#dropNext);
    return true;
  }

  #isStanding(now: number, delay: number, isLast: boolean): boolean {
    if (delay < this.#target || isLast) {
      this.#standingAt = null;
      return false;
    }
    this.#standingAt ??= now + this.#interval;
    return now >= this.#standingAt;
  }

  #beginDropping(now: number): true {
    this.#isDropping = true;
    // Soon after the last time: go on at about the rate that held the queue then.
    const delta = this.#count - this.#lastCount;
    const isSoon = now - this.#dropNext < 16 * this.#interval;
    this.#count = delta > 1 && isSoon ? delta : 1;
    this.#dropNext = this.#after(now);
    this.#lastCount = this.#count;
    return true;
  }

  /** The control law: losses at a rate that rises with the square root of their number. */
  #after(time: number): number {
    return time + this.#interval / Math.sqrt(this.#count);
  }
}
