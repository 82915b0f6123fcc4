import { toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { MinutePorts } from "../../core/hop/minute_ports.ts";
import { NextMinutes } from "../../core/hop/next_minutes.ts";
import { dialAny } from "../net/dial_host.ts";
import type { Meeting } from "../net/reach.ts";
import { type MinuteAttempt, raceMinutes, staggerOf } from "./minute_race.ts";

/** Milliseconds for one port's TCP, and for the server's name. */
const DIAL_MS = 5_000;
const NAME_MS = 10_000;

export interface HopDialerOptions {
  readonly host: string;
  /** The ports stay the caller's. */
  readonly ports: MinutePorts;
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** Reaches a server on the port of the minute, or on that of a minute beside it. */
export class HopDialer {
  readonly #o: HopDialerOptions;
  readonly #minutes: NextMinutes;
  #connectMs = 0;

  constructor(o: HopDialerOptions) {
    this.#o = o;
    this.#minutes = new NextMinutes((minute) => o.ports.at(minute).port);
  }

  /** @throws {TtunError} the most telling failure of all ports that were tried */
  async reach<T>(meeting: Meeting<T>): Promise<T> {
    const { clock, wallClock } = this.#o;
    const { signal, isLeaving, discard } = meeting;
    const unixMs = wallClock();
    try {
      return await raceMinutes({
        minutes: this.#minutes.at(unixMs, isLeaving),
        clock,
        signal,
        staggerMs: staggerOf(this.#connectMs),
        run: (attempt) => this.#try(attempt, meeting),
        onAnswer: ({ minute }) => this.#minutes.succeeded(minute, unixMs, isLeaving),
        discard,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw withReasons(toTtunError(error));
    }
  }

  async #try<T>(attempt: MinuteAttempt, meeting: Meeting<T>): Promise<T> {
    const { host = this.#o.host, life = meeting.signal, meet } = meeting;
    const { ports, clock, dialer, resolver } = this.#o;
    const { signal } = attempt;
    const began = clock.now();
    const stream = await dialAny({
      to: { host, port: ports.at(attempt.minute).port },
      dialer,
      resolver,
      clock,
      nameMs: NAME_MS,
      timeoutMs: DIAL_MS,
      signal,
      life,
    });
    this.#connectMs = clock.now() - began;
    attempt.connected(false);
    using _registration = onAbort(signal, () => stream.reset());
    return await meet(stream, () => attempt.answered());
  }
}

/** Adds possible reasons: if key, range or clock is another, most often no port is open. */
function withReasons(error: TtunError): TtunError {
  if (error.kind !== "unreachable" && error.kind !== "timeout") return error;
  const words = `${error.message} (its firewall must let the whole range in; key and range must ` +
    "be the same at both ends, and the clocks agree to two minutes)";
  return new TtunError(error.kind, words, { cause: error });
}
