import type { WindowBudget } from "./receive_window.ts";

/** Bytes that a session may keep whatever others keep. */
export const OWN_KEPT = 256 * 1024;

/** Bytes that are taken from the budget at once. */
export const KEPT_STEP = 1 << 20;

/**
 * Memory of the frames that a session keeps until they are acknowledged. A session that may keep no
 * more goes on with its peer's next acknowledgement, as it has unacknowledged bytes then.
 */
export class KeptAllowance {
  readonly #most: number;
  readonly #budget: WindowBudget;
  #taken = 0;

  /** `most`: bytes that the session may keep at all. */
  constructor(most: number, budget: WindowBudget) {
    this.#most = most;
    this.#budget = budget;
  }

  /** Returns true if the session, which keeps `bytes`, may keep more. */
  mayGrow(bytes: number): boolean {
    if (bytes >= this.#most) return false;
    if (bytes < OWN_KEPT + this.#taken) return true;
    if (!this.#budget.take(KEPT_STEP)) return false;
    this.#taken += KEPT_STEP;
    return true;
  }

  /** Gives back what `bytes` do not need; a step is left, so that few frames come and go freely. */
  shrink(bytes: number): void {
    const needed = Math.ceil(Math.max(0, bytes - OWN_KEPT) / KEPT_STEP) * KEPT_STEP;
    const excess = this.#taken - needed - KEPT_STEP;
    if (excess <= 0) return;
    this.#taken -= excess;
    this.#budget.give(excess);
  }

  /** Gives all back. */
  close(): void {
    this.#budget.give(this.#taken);
    this.#taken = 0;
  }
}
