/** So often in so many milliseconds something is put back that others take away. */
const MOST = 3;
const WINDOW = 60_000;

/**
 * Decides whether what is missing is put back. Somebody who takes it away again and again means
 * it: then it is left, until it has been complete in between or a new session begins.
 */
export class RepairLimit {
  readonly #times: number[] = [];
  #isLeft = false;

  /**
   * Something is missing at `now` (monotonic milliseconds). `repair`: put it back. `leave`: no more,
   * which is to be said once. `left`: it has been said.
   */
  next(now: number): "repair" | "leave" | "left" {
    if (this.#isLeft) return "left";
    while (this.#times.length > 0 && now - this.#times[0]! >= WINDOW) this.#times.shift();
    if (this.#times.length < MOST) {
      this.#times.push(now);
      return "repair";
    }
    this.#isLeft = true;
    return "leave";
  }

  /** Nothing is missing, or a new session begins: what is taken away from now on is put back again. */
  resume(): void {
    this.#isLeft = false;
  }
}
