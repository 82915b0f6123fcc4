import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { type MinuteAttempt, staggerOf } from "../hop/minute_race.ts";
import { promised, tell } from "../net/dial_events.ts";
import { ConnectError } from "../net/connect_error.ts";
import { ConnectRequest, type Pacing, type TargetRequest, Unmarked } from "./connect_request.ts";
import { IdlePool } from "./idle_pool.ts";
import { MinuteFinder } from "./minute_finder.ts";
import { noWay, reasonsOf } from "./server_errors.ts";
import { MinuteKeyCache } from "./minute_keys.ts";
import { TtDialer, type TtDialerOptions } from "./tt_dialer.ts";

const EMPTY = new Uint8Array();

export interface TtOutboundOptions extends Omit<TtDialerOptions, "secrets"> {
  /** The shared password in UTF-8. */
  readonly password: Uint8Array;
}

/**
 * Connects to targets through a server of tt or ttun (docs/wire/tt-v1.md, 1.5, 3.3 and 7), over a
 * new connection or one that an earlier proxied connection has left at a ttun server. If a minute's
 * port is silent or denied, its neighbours are tried beside it.
 */
export class TtOutbound implements Outbound, Disposable {
  readonly #o: TtOutboundOptions;
  readonly #secrets: MinuteKeyCache;
  readonly #idle: IdlePool;
  readonly #dialer: TtDialer;
  readonly #serverClock: MinuteFinder;

  constructor(o: TtOutboundOptions) {
    this.#o = o;
    this.#secrets = new MinuteKeyCache(o.password, o.wire);
    this.#idle = new IdlePool(o.clock);
    this.#dialer = new TtDialer({ ...o, secrets: this.#secrets }, this.#idle);
    this.#serverClock = new MinuteFinder(o, (minute) => this.#dialer.isOpen(minute));
  }

  dropIdle(): boolean {
    return this.#idle.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#idle[Symbol.dispose]();
    this.#dialer[Symbol.dispose]();
    this.#secrets[Symbol.dispose]();
  }

  open(
    target: Target,
    { signal, cancel = signal, early = EMPTY, once = false }: OpenOptions,
    events: DialEvents<Stream>,
  ): boolean | void {
    const request: TargetRequest = { target, early, once, signal: cancel, isSent: false };
    const connection = this.#idle.take(this.#serverClock.likeliest);
    if (connection === null) return tell(events, this.#connectFresh(request));
    return new ConnectRequest(this.#o, connection.begin(), request, "merged", {
      connected: (stream) => events.connected(stream),
      failed: (error) => this.#failedReused(error, request, events),
    }).begin();
  }

  /** Returns the milliseconds until the server's answer; a TtunError says why there is none. */
  async check(): Promise<number> {
    const { clock, signal } = this.#o;
    const began = clock.now();
    try {
      await this.#serverClock.race({
        signal,
        staggerMs: staggerOf(this.#dialer.connectMs),
        run: (attempt) => this.#greet(attempt),
        discard: () => {},
      });
    } catch (error) {
      signal.throwIfAborted();
      const failure = toTtunError(error);
      throw new TtunError(failure.kind, reasonsOf(failure), { cause: error });
    }
    return clock.now() - began;
  }

  async #greet(attempt: MinuteAttempt): Promise<void> {
    await this.#dialer.greet(attempt.minute, attempt.signal, () => attempt.connected(false));
    attempt.answered();
  }

  #failedReused(error: unknown, request: TargetRequest, events: DialEvents): boolean | void {
    if (isFinal(error, request)) return events.failed(error);
    if (isSpent(request)) return events.failed(noWay(toTtunError(error)));
    this.#idle.clear(); // what ended this one has ended them all, most often
    tell(events, this.#connectFresh(request));
  }

  async #connectFresh(request: TargetRequest): Promise<Stream> {
    try {
      return await this.#serverClock.race({
        signal: request.signal,
        staggerMs: staggerOf(this.#dialer.connectMs),
        isSpent: () => isSpent(request),
        run: (attempt) => this.#try(request, attempt),
        discard: (stream: Stream) => startClose(stream),
      });
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      if (isFinal(error, request)) throw error;
      throw noWay(toTtunError(error));
    }
  }

  /** @throws {ConnectError} the server's answer; {TtunError} without an answer */
  async #try(request: TargetRequest, attempt: MinuteAttempt): Promise<Stream> {
    try {
      return await this.#ask(request, attempt, this.#dialer.knowsMark ? "pipelined" : "lock-step");
    } catch (error) {
      if (!(error instanceof Unmarked)) throw error;
      if (isSpent(request)) throw new TtunError("lost", "The server is another one than before");
      return await this.#ask(request, attempt, "lock-step");
    }
  }

  async #ask(request: TargetRequest, attempt: MinuteAttempt, best: Pacing): Promise<Stream> {
    const connection = await this.#dialer.dial(attempt.minute, attempt.signal);
    // Only one attempt may send the request.
    const pacing = attempt.isAlone ? best : "lock-step";
    attempt.connected(pacing === "pipelined");
    const stream = connection.begin();
    try {
      return await promised((events) =>
        new ConnectRequest(this.#o, stream, request, pacing, events, attempt).begin()
      );
    } catch (error) {
      if (!attempt.signal.aborted) this.#dialer.knowsMark &&= error instanceof ConnectError;
      throw error;
    }
  }
}

/** Returns true if bytes that must not be sent twice have gone. */
function isSpent({ once, isSent }: TargetRequest): boolean {
  return once && isSent;
}

function isFinal(error: unknown, { signal }: TargetRequest): boolean {
  return error instanceof ConnectError || signal.aborted || toTtunError(error).kind === "internal";
}
