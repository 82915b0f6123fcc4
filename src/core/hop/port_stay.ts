import { MINUTE_MS, minuteOf } from "./minute.ts";

/** Milliseconds before the end of a minute in which connections go on to the next one's port. */
export const MOVE_MS = 5_000;

/** Next thing for the owner of a connection. `move`: to another port within so many seconds. */
export type StayStep = "stay" | "end" | { readonly move: number };

/**
 * How long a connection stays on the port by which it came: to the end of that port's minute. The
 * listener stays for a minute more, for clocks that differ, and so may a connection that cannot be
 * made elsewhere.
 */
export class PortStay {
  readonly #port: number;
  readonly #portAt: (minute: number) => number;
  /** Last minute of its stay. */
  #minute: number;
  #isTold = false;

  /** `unixMs`: when it came. */
  constructor(port: number, portAt: (minute: number) => number, unixMs: number) {
    this.#port = port;
    this.#portAt = portAt;
    this.#minute = this.#lastMinute(minuteOf(unixMs)) ?? 0;
  }

  /** Call it every second. A `move` is given again until `told` is called. */
  step(unixMs: number): StayStep {
    const next = minuteOf(unixMs + MOVE_MS);
    if (this.#minute >= next) return "stay";
    if (this.#portAt(next) === this.#port) {
      this.#minute = next;
      this.#isTold = false;
      return "stay";
    }
    if (this.#lastMinute(minuteOf(unixMs)) === null) return "end";
    if (this.#isTold) return "stay";
    const left = (this.#minute + 1) * MINUTE_MS - unixMs;
    return { move: Math.max(1, Math.ceil(left / 1000)) };
  }

  told(): void {
    this.#isTold = true;
  }

  /** Returns the last of the minutes that are listened for and have this port; null = none. */
  #lastMinute(now: number): number | null {
    const minutes = [now + 1, now, now - 1];
    return minutes.find((minute) => minute >= 0 && this.#portAt(minute) === this.#port) ?? null;
  }
}
