/** Most repairs of one thing within `WINDOW`. */
const MOST = 3;
/** Milliseconds for which a repair counts. */
const WINDOW = 60_000;

export interface Verdict {
  readonly repair: readonly string[];
  /** Things left alone from now on: that is to be said, once in a minute for each. */
  readonly leave: readonly string[];
}

/**
 * Limits repairs. Somebody who takes a thing away again and again means it: it is left, until it
 * has been there in between or a new session begins.
 */
export class RepairLimit {
  /** Times when each was put back, within the last minute. */
  readonly #times = new Map<string, number[]>();
  readonly #left = new Set<string>();
  /** Time when it was last said of each that it is left. */
  readonly #said = new Map<string, number>();

  /** Decides about `names`: all that is missing at `now` (monotonic milliseconds). */
  next(names: readonly string[], now: number): Verdict {
    this.#forget(names, now);
    const repair: string[] = [];
    const leave: string[] = [];
    for (const name of names) {
      if (this.#left.has(name)) continue;
      const times = this.#times.get(name) ?? [];
      if (times.length < MOST) {
        this.#times.set(name, [...times, now]);
        repair.push(name);
      } else {
        this.#left.add(name);
        if (this.#said.has(name)) continue;
        this.#said.set(name, now);
        leave.push(name);
      }
    }
    return { repair, leave };
  }

  #forget(names: readonly string[], now: number): void {
    for (const [name, times] of this.#times) {
      const recent = times.filter((time) => now - time < WINDOW);
      if (recent.length === 0) this.#times.delete(name);
      else if (recent.length < times.length) this.#times.set(name, recent);
    }
    for (const [name, time] of this.#said) if (now - time >= WINDOW) this.#said.delete(name);
    if (this.#left.size === 0) return;
    const missing = new Set(names);
    for (const name of this.#left) if (!missing.has(name)) this.#left.delete(name);
  }

  /** A new session begins: everything is looked at again. */
  resume(): void {
    this.#left.clear();
  }
}
