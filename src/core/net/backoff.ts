/** Pauses in milliseconds (docs/wire/ttun-v1.md, "Behaviour of the existing programs"). */
const FIRST = 1_000;
const LONGEST = 30_000;

/** A longer session was a good one: the pauses begin anew. */
const GOOD_SESSION = 60_000;

/** Share of a pause that chance takes away, so that many clients do not come back at once. */
const JITTER = 0.25;

/** Gives pauses of 1, 2, 4 … 30 s, each less 0..25 % by chance. */
export class Backoff {
  #next = FIRST;

  /** `chance` is a random number in [0, 1). */
  pause(chance: number): number {
    const pause = this.#next * (1 - JITTER * chance);
    this.#next = Math.min(this.#next * 2, LONGEST);
    return pause;
  }

  /** Restarts the pauses if the session lasted long; `lasted` is in milliseconds. */
  sessionEnded(lasted: number): void {
    if (lasted > GOOD_SESSION) this.restart();
  }

  /** Begins the pauses anew, since the cause of the failures may be over. */
  restart(): void {
    this.#next = FIRST;
  }
}
