import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import { minuteOf } from "../../core/hop/minute.ts";
import { type Answer, type MinuteRaceOptions, raceMinutes } from "../hop/minute_race.ts";

export interface ServerClockOptions {
  readonly clock: Clock;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Logger;
  readonly server: string;
}

/** Finds the minute whose port leads to the server (docs/wire/tt-v1.md, 1.3 and 7). */
export class MinuteFinder {
  readonly #o: ServerClockOptions;
  readonly #isOpen: (minute: number) => Promise<boolean>;
  /** Minutes by which the server's clock is ahead, as far as was seen. */
  #skew = 0;
  /** In the minute `from`, the port of the minute `to` led to the server. */
  #detour: { readonly from: number; readonly to: number } | null = null;
  /** The last minute in which it was asked if the clocks differ. */
  #asked = -1;

  /** `isOpen` resolves to true if the server answers on a minute's port. */
  constructor(o: ServerClockOptions, isOpen: (minute: number) => Promise<boolean>) {
    this.#o = o;
    this.#isOpen = isOpen;
  }

  /** By the server's clock, as far as is known. */
  get #now(): number {
    return minuteOf(this.#o.wallClock()) + this.#skew;
  }

  get likeliest(): number {
    const now = this.#now;
    return this.#detour?.from === now ? this.#detour.to : now;
  }

  race<T>(
    o: Pick<MinuteRaceOptions<T>, "signal" | "staggerMs" | "isSpent" | "run" | "discard">,
  ): Promise<T> {
    const now = this.#now;
    // The last one is for a clock that was put right meanwhile.
    const minutes = [this.likeliest, now, now - 1, now + 1, now - this.#skew];
    return raceMinutes({
      minutes: [...new Set(minutes)].filter((minute) => minute >= 0), // a clock that is not set yet
      clock: this.#o.clock,
      ...o,
      onAnswer: (answer) => this.#answered(now, answer),
    });
  }

  /**
   * Ports of T-1 and T+1 are always open, so an answer there may only mean that T's is blocked. If
   * T's was reached all the same, the minute beyond tells: its port is closed unless the clocks
   * differ.
   */
  #answered(now: number, { minute, isDenied }: Answer): void {
    const off = minute - now;
    this.#detour = off === 0 ? null : { from: now, to: minute };
    if (Math.abs(off) > 1) return this.#differ(this.#skew + off);
    if (off === 0 || this.#asked === now || !isDenied(now)) return;
    this.#asked = now;
    const skew = this.#skew;
    // Where all minutes have one port, T answers as well. The connection does not wait for this,
    // and a minute that cannot be asked counts as closed.
    void Promise.all([this.#isOpen(now + 2 * off), this.#isOpen(now)]).then(([beyond, here]) => {
      if (beyond && !here && this.#skew === skew) this.#differ(skew + off);
    });
  }

  #differ(skew: number): void {
    this.#skew = skew;
    this.#detour = null;
    const { log, server } = this.#o;
    if (skew === 0) return log.info("the clocks agree again", { server });
    const minutes = Math.abs(skew);
    log.warn("the clocks differ", {
      server,
      // A difference of one minute is not noticed.
      server_is: `more than ${minutes} min ${skew > 0 ? "ahead" : "behind"}`,
    });
  }
}
