/**
 * Controlled delay (RFC 8289). A delay that stays above `target` for an `interval` is a standing
 * queue; its packets are dropped, more often the longer it stands. Milliseconds of any one clock.
 */
export class CoDel {
  readonly #target: number;
  readonly #interval: number;
  /** Time at which a delay above target becomes a standing queue; null = it was below just now. */
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
   * Returns true if the packet that has just left after `delay` should be dropped. `isLast`: the
   * queue is empty now, so a drop would leave the link idle (section 5.4).
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
    // Soon after the last standing queue: resume about the rate that controlled it.
    const delta = this.#count - this.#lastCount;
    const isSoon = now - this.#dropNext < 16 * this.#interval;
    this.#count = delta > 1 && isSoon ? delta : 1;
    this.#dropNext = this.#after(now);
    this.#lastCount = this.#count;
    return true;
  }

  /** Applies the control law: drops become more frequent with the square root of their number. */
  #after(time: number): number {
    return time + this.#interval / Math.sqrt(this.#count);
  }
}
