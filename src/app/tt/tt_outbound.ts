import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { greeting } from "../../core/proxy/socks/socks5_client.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import type { Peer } from "../../core/tt/mark.ts";
import { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { portOf } from "../../core/hop/port_range.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { dialAny } from "../net/dial_host.ts";
import { promised, tell } from "../net/dial_events.ts";
import {
  type Answer,
  type MinuteAttempt,
  type MinuteRaceOptions,
  raceMinutes,
  staggerOf,
} from "../hop/minute_race.ts";
import {
  ANSWER_MS,
  ConnectRequest,
  type How,
  hungUp,
  OTHERWISE,
  silent,
  Unmarked,
  type Wish,
} from "./connect_request.ts";
import { type Carrier, CARRIER_TUNING, IdlePool } from "./idle_pool.ts";
import { type Connect, ConnectError } from "../net/direct_outbound.ts";
import { PathWatch } from "../net/path_watch.ts";
import type { Borrowed, MinuteKeyCache } from "./minute_keys.ts";
import type { ProxyHost } from "../net/proxy_host.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import type { TtConfig } from "./config.ts";
import type { ScratchBuffers } from "../net/scratch.ts";
import { TtStream } from "./tt_stream.ts";

/** For the server's TCP, as the existing programs have it. */
const DIAL_MS = 5000;

/** For its name, where it has never been resolved. */
const NAME_MS = 10_000;

/** An answer may be to a frame of the longest lifetime ago. */
const REACH = 15;

const NOTHING = new Uint8Array();

/** What was for once has gone: it must not be tried again. */
function isSpent({ once, isSent }: Wish): boolean {
  return once && isSent;
}

export interface TtDialerOptions extends ProxyHost {
  readonly wire: TtConfig;
  readonly server: string;
  readonly limits: ProxyLimits;
  readonly scratch: ScratchBuffers;
  /** The caller's. */
  readonly secrets: MinuteKeyCache;
}

/**
 * Connects to targets through a server of tt or of ttun, on the port of the minute (docs/wire/tt-v1.md,
 * 1.5, 3.3 and 7). Each connection has a carrier of its own: to an existing server a new one, to a
 * ttun one that an earlier connection has left, if there is any. A minute whose port is silent or
 * denied has its neighbours tried beside it; where the clocks differ it finds out by how many
 * minutes, and remembers it.
 */
export class TtDialer implements Disposable {
  readonly #o: TtDialerOptions;
  readonly #nonces: NonceMemory;
  readonly #random: RandomBlock;
  readonly #carriers: IdlePool;
  readonly #paths: PathWatch;
  /** By how many minutes the server's clock is ahead of ours, as far as that was seen. */
  #skew = 0;
  /** In this minute, `from`, the port of another one was the way to the server. */
  #detour: { readonly from: number; readonly to: number } | null = null;
  /** The last minute in which it was asked whether the clocks differ. */
  #asked = -1;
  /** Duration of the last connect to the server, in milliseconds. */
  #connectMs = 0;
  /** The server has shown the mark: it takes the request behind the greeting. */
  #knowsMark = false;

  constructor(o: TtDialerOptions) {
    this.#o = o;
    this.#nonces = new NonceMemory(o.rng, { reach: REACH });
    this.#random = new RandomBlock(o.rng);
    this.#carriers = new IdlePool(o.clock);
    this.#paths = new PathWatch(o.clock);
  }

  /** Closes a connection to the server that nobody uses; false when there is none. */
  dropIdle(): boolean {
    return this.#carriers.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#carriers[Symbol.dispose]();
    this.#paths[Symbol.dispose]();
  }

  readonly connect: Connect = (target, { signal, early = NOTHING, once = false }, events) => {
    const wish: Wish = { target, early, once, signal, isSent: false };
    const carrier = this.#carriers.take(this.#likeliest());
    if (carrier === null) return tell(events, this.#connectFresh(wish));
    const random = this.#random.take(MAX_RANDOM_SENT);
    const tunnel = this.#tunnel(carrier, random, "lasting");
    return new ConnectRequest(this.#o, tunnel, wish, "again", {
      connected: (stream) => events.connected(stream),
      failed: (error) => this.#failedAgain(error, wish, events),
    }).begin();
  };

  /**
   * Tries the server without asking it for anything; returns how many milliseconds its answer took.
   * @throws {TtunError} why there is no answer; the reason of the host's signal
   */
  async check(): Promise<number> {
    const { clock, signal } = this.#o;
    const began = clock.now();
    try {
      await this.#race(signal, { run: (attempt) => this.#meet(attempt), discard: () => {} });
    } catch (error) {
      signal.throwIfAborted();
      const failure = toTtunError(error);
      throw new TtunError(failure.kind, reasonsOf(failure), { cause: error });
    }
    return clock.now() - began;
  }

  async #meet(attempt: MinuteAttempt): Promise<void> {
    await this.#greet(attempt.minute, attempt.signal, () => attempt.connected(false));
    attempt.answered();
  }

  /** A carrier that has been used does not lead to the server any more. */
  #failedAgain(error: unknown, wish: Wish, events: DialEvents): boolean | void {
    if (isWord(error, wish)) return events.failed(error);
    if (isSpent(wish)) return events.failed(noWay(toTtunError(error)));
    this.#carriers.clear(); // what ended this one has ended them all, most often
    tell(events, this.#connectFresh(wish));
  }

  /** Over a new carrier, of whatever minute the server has. */
  async #connectFresh(wish: Wish): Promise<Connection> {
    try {
      return await this.#race(wish.signal, {
        isSpent: () => isSpent(wish),
        run: (attempt) => this.#try(wish, attempt),
        discard: (stream: Connection) => startClose(stream),
      });
    } catch (error) {
      if (wish.signal.aborted) throw wish.signal.reason;
      if (isWord(error, wish)) throw error;
      throw noWay(toTtunError(error));
    }
  }

  /** Where the clock's minute is by the server's clock, as far as is known. */
  #now(): number {
    return minuteOf(this.#o.wallClock()) + this.#skew;
  }

  /** The minute to begin with. */
  #likeliest(): number {
    const now = this.#now();
    return this.#detour?.from === now ? this.#detour.to : now;
  }

  /** Tries the minutes that the server may have ports for (docs/wire/tt-v1.md, 1.3) until one answers. */
  #race<T>(
    signal: AbortSignal,
    o: Pick<MinuteRaceOptions<T>, "isSpent" | "run" | "discard">,
  ): Promise<T> {
    const now = this.#now();
    // The last one: a clock may have been put right.
    const minutes = [this.#likeliest(), now, now - 1, now + 1, now - this.#skew];
    return raceMinutes({
      minutes: [...new Set(minutes)].filter((minute) => minute >= 0), // a clock that is not set yet
      clock: this.#o.clock,
      signal,
      staggerMs: staggerOf(this.#connectMs),
      ...o,
      onAnswer: (answer) => this.#answered(now, answer),
    });
  }

  /**
   * Remembers which way led to the server. A port of T-1 or T+1 that answers says nothing of the
   * clocks: that of T may be blocked, or another program's. Where it was reached all the same, the
   * minute beyond tells: where the clocks agree its port is closed.
   */
  #answered(now: number, { minute, isDenied }: Answer): void {
    const off = minute - now;
    this.#detour = off === 0 ? null : { from: now, to: minute };
    if (Math.abs(off) > 1) return this.#differ(this.#skew + off);
    if (off === 0 || this.#asked === now || !isDenied(now)) return;
    this.#asked = now;
    const skew = this.#skew;
    // On one port for all minutes a key is known for longer: T again tells then. Nobody waits for the
    // answers, and a minute that cannot be asked counts as closed.
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
      // A server takes what is one minute off, without a word.
      server_is: `more than ${minutes} min ${skew > 0 ? "ahead" : "behind"}`,
    });
  }

  /** True when the server answers on that minute's port with that minute's key. */
  async #isOpen(minute: number): Promise<boolean> {
    try {
      await this.#greet(minute, this.#o.signal);
      return true;
    } catch {
      return false; // whatever the reason, it is not an answer
    }
  }

  /** Has the server show that it has the key of a minute, and asks it for nothing. */
  async #greet(
    minute: number,
    signal: AbortSignal,
    onConnected: () => void = () => {},
  ): Promise<void> {
    const carrier = await this.#dial(minute, signal);
    onConnected();
    await using tunnel = this.#freshTunnel(carrier);
    using _tie = onAbort(signal, () => tunnel.reset());
    let late: TtunError | null = null;
    using _deadline = this.#o.clock.after(ANSWER_MS, () => {
      late = silent(tunnel.remote, ANSWER_MS);
      tunnel.reset();
    });
    try {
      await tunnel.writeFrames([greeting()]);
      const read = () => tunnel.readNow(this.#o.scratch.message);
      let got = read();
      for (; got === undefined; got = read()) await tunnel.readable();
      if (got === null) throw hungUp(tunnel.remote);
    } catch (error) {
      throw late ?? error;
    } finally {
      tunnel.reset(); // an end would be a client that breaks off in the middle, for the server's log
    }
  }

  /** @throws {ConnectError} the server's word; {TtunError} where it has none */
  async #try(wish: Wish, attempt: MinuteAttempt): Promise<Connection> {
    try {
      return await this.#ask(wish, attempt, this.#knowsMark ? "at once" : "in turns");
    } catch (error) {
      if (!(error instanceof Unmarked)) throw error;
      if (isSpent(wish)) throw new TtunError("lost", "The server is another one than before");
      return await this.#ask(wish, attempt, "in turns");
    }
  }

  async #ask(wish: Wish, attempt: MinuteAttempt, how: How): Promise<Connection> {
    const carrier = await this.#dial(attempt.minute, attempt.signal);
    // A request must go one way only.
    const way = attempt.isAlone ? how : "in turns";
    attempt.connected(way === "at once");
    const tunnel = this.#freshTunnel(carrier);
    try {
      return await promised((events) =>
        new ConnectRequest(this.#o, tunnel, wish, way, events, attempt).begin()
      );
    } catch (error) {
      if (!attempt.signal.aborted) this.#knowsMark &&= error instanceof ConnectError;
      throw error;
    }
  }

  async #dial(minute: number, signal: AbortSignal): Promise<Carrier> {
    const { secrets, wire, server, clock } = this.#o;
    const borrowed = secrets.borrow(minute);
    const began = clock.now();
    let stream: Connection | null = null;
    try {
      stream = await dialAny({
        to: { host: server, port: portOf(borrowed.keys.otp, wire.range) },
        dialer: this.#o.dialer,
        resolver: this.#o.resolver,
        clock,
        nameMs: NAME_MS,
        timeoutMs: DIAL_MS,
        signal,
        life: this.#o.signal,
      });
      this.#connectMs = clock.now() - began;
      stream.setOptions(CARRIER_TUNING);
      return new DialledCarrier(stream, borrowed, this.#random, this.#paths);
    } catch (error) {
      await stream?.[Symbol.asyncDispose]();
      borrowed[Symbol.dispose]();
      throw error;
    }
  }

  #freshTunnel(carrier: Carrier): TtStream {
    const { marker } = carrier.minute.secrets;
    const random = marker.markedRandom((length) => this.#random.take(length));
    return this.#tunnel(carrier, random, "unmarked");
  }

  #tunnel(carrier: Carrier, firstRandom: Uint8Array, peer: Peer): TtStream {
    const { wallClock, wire, clock, scratch } = this.#o;
    const { keys, secrets } = carrier.minute;
    this.#nonces.noteSent(keys, firstRandom, minuteOf(wallClock()));
    const tunnel = new TtStream({
      stream: carrier.stream,
      sealer: carrier.sealer,
      opener: carrier.opener,
      scratch,
      clock,
      firstRandom,
      peer,
      onFirst: (random) => {
        const verdict = this.#nonces.noteReceived(keys, random, minuteOf(wallClock()));
        if (verdict !== "new") {
          throw new ProtocolError(
            `Cannot trust the server: its first frame is not new (${verdict})`,
          );
        }
        const shown = peer === "lasting" ? peer : secrets.marker.peerOf(random);
        this.#knowsMark = shown !== "unmarked";
        return shown;
      },
      onIdle: () => this.#carriers.put(carrier),
      mostText: wire.mostText,
    });
    tunnel.onClose(carrier);
    return tunnel;
  }
}

/** A carrier that this end has opened, as long as it lasts. */
class DialledCarrier implements Carrier {
  readonly stream: Connection;
  readonly minute: Borrowed;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  readonly #paths: PathWatch;

  /** Owns stream and minute. */
  constructor(stream: Connection, minute: Borrowed, random: RandomBlock, paths: PathWatch) {
    this.stream = stream;
    this.minute = minute;
    this.sealer = new FrameSealer(minute.secrets, random);
    this.opener = new FrameOpener(minute.secrets);
    this.#paths = paths;
    paths.add(stream);
  }

  [Symbol.dispose](): void {
    this.#paths.remove(this.stream);
    this.minute[Symbol.dispose]();
  }
}

/** Whether that is what the wish ends with: the server's word, or our own; another way has no other. */
function isWord(error: unknown, { signal }: Wish): boolean {
  return error instanceof ConnectError || signal.aborted || toTtunError(error).kind === "internal";
}

/** The ports follow from key and clock: where one of them is wrong, most often none is open. */
function noWay(error: TtunError): ConnectError {
  return new ConnectError("tunnel", reasonsOf(error), { cause: error });
}

/** An error on the way to the server, and what else may be the reason. */
function reasonsOf(error: TtunError): string {
  if (error.kind === "unreachable") return `${error.message} (or ${OTHERWISE})`;
  if (error.kind !== "timeout") return error.message;
  return `${error.message} (its firewall must let all of --port-range in; or ${OTHERWISE})`;
}
