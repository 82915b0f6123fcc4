import { minuteOf } from "./minute.ts";
import { MOVE_MS } from "./port_stay.ts";

/**
 * Which minutes' ports a client tries, by its own clock and what it has seen of the server's. A
 * client that is told to leave its port takes another port, of a later minute.
 */
export class NextMinutes {
  readonly #portAt: (minute: number) => number;
  /** Minutes by which the server's clock was ahead at the last connection. */
  #offset = 0;
  /** Minute of the last connection. */
  #last = -1;

  constructor(portAt: (minute: number) => number) {
    this.#portAt = portAt;
  }

  /** Returns minutes with different ports, the likeliest first; at least one. */
  at(unixMs: number, isLeaving: boolean): number[] {
    const base = baseOf(unixMs, isLeaving);
    const likely = base + this.#offset;
    const all = [likely, likely + 1, likely - 1, base, base - 1, base + 1];
    const tried = isLeaving ? [...all, this.#last + 1].filter((one) => this.#isAhead(one)) : all;
    const byPort = new Map<number, number>();
    for (const minute of tried.length > 0 ? tried : all) {
      const port = minute >= 0 ? this.#portAt(minute) : null;
      if (port !== null && !byPort.has(port)) byPort.set(port, minute);
    }
    return [...byPort.values()];
  }

  /** A connection by this minute's port was made. */
  succeeded(minute: number, unixMs: number, isLeaving: boolean): void {
    this.#last = minute;
    this.#offset = minute - baseOf(unixMs, isLeaving);
  }

  #isAhead(minute: number): boolean {
    return minute > this.#last && this.#portAt(minute) !== this.#portAt(this.#last);
  }
}

/** At the end of a minute a client leaves for the next one's port. */
function baseOf(unixMs: number, isLeaving: boolean): number {
  return minuteOf(isLeaving ? unixMs + MOVE_MS : unixMs);
}
