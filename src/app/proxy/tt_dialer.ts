import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { DialEvents, Stream } from "../../contract/stream.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import type { Peer } from "../../core/tt/mark.ts";
import { NonceMemory } from "../../core/tt/nonces.ts";
import { portOf } from "../../core/tt/port_range.ts";
import { RandomBlock } from "../../core/tt/random.ts";
import { dialAny } from "../dial_any.ts";
import { promised, tell } from "../dial_events.ts";
import { Asking, type How, OTHERWISE, Unmarked, type Wish } from "./asking.ts";
import { type Carrier, CARRIER_TUNING, Carriers } from "./carriers.ts";
import { type Connect, ConnectError } from "./egress.ts";
import type { MinuteSecrets } from "./minute_secrets.ts";
import type { ProxyHost, ProxyLimits, TtWire } from "./options.ts";
import type { Scratch } from "./scratch.ts";
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
  readonly wire: TtWire;
  readonly server: string;
  readonly limits: ProxyLimits;
  readonly scratch: Scratch;
  /** The caller's. */
  readonly secrets: MinuteSecrets;
}

/**
 * Connects to targets through a server of tt or of ttun, on the port of the minute (docs/tt-v1.md,
 * 1.5, 3.3 and 7). Each connection has a carrier of its own: to an existing server a new one, to a
 * ttun one that an earlier connection has left, if there is any. Where the clocks differ it finds
 * out by how many minutes, and remembers it.
 */
export class TtDialer implements Disposable {
  readonly #o: TtDialerOptions;
  readonly #nonces: NonceMemory;
  readonly #random: RandomBlock;
  readonly #carriers: Carriers;
  /** By how many minutes the server's clock may be ahead of ours: as the last time, then others. */
  #skews = skewsAround(0);
  /** The server has shown the mark: it takes the request behind the greeting. */
  #knowsMark = false;

  constructor(o: TtDialerOptions) {
    this.#o = o;
    this.#nonces = new NonceMemory(o.rng, { reach: REACH });
    this.#random = new RandomBlock(o.rng);
    this.#carriers = new Carriers(o.clock);
  }

  /** Closes a connection to the server that nobody uses; false when there is none. */
  dropIdle(): boolean {
    return this.#carriers.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#carriers[Symbol.dispose]();
  }

  readonly connect: Connect = (target, { signal, early = NOTHING, once = false }, events) => {
    const wish: Wish = { target, early, once, signal, isSent: false };
    const carrier = this.#carriers.take(minuteOf(this.#o.wallClock()) + this.#skews[0]!);
    if (carrier === null) return tell(events, this.#connectFresh(wish));
    const random = this.#random.take(MAX_RANDOM_SENT);
    const tunnel = this.#tunnel(carrier, random, "lasting");
    return new Asking(this.#o, tunnel, wish, "again", {
      connected: (stream) => events.connected(stream),
      failed: (error) => this.#failedAgain(error, wish, events),
    }).begin();
  };

  /** A carrier that has been used does not lead to the server any more. */
  #failedAgain(error: unknown, wish: Wish, events: DialEvents): boolean | void {
    if (isWord(error, wish)) return events.failed(error);
    if (isSpent(wish)) return events.failed(noWay(toTtunError(error)));
    this.#carriers.clear(); // what ended this one has ended them all, most often
    tell(events, this.#connectFresh(wish));
  }

  /** Over a new carrier, of whatever minute the server has. */
  async #connectFresh(wish: Wish): Promise<Stream> {
    let last: TtunError | null = null;
    for (const skew of this.#skews) {
      const minute = minuteOf(this.#o.wallClock()) + skew;
      if (minute < 0) continue; // a clock that has not been set yet
      try {
        const stream = await this.#try(wish, minute);
        this.#found(skew);
        return stream;
      } catch (error) {
        if (error instanceof ConnectError) this.#found(skew); // it has answered
        if (wish.signal.aborted) throw wish.signal.reason;
        if (isWord(error, wish)) throw error;
        last ??= toTtunError(error);
        if (last.kind === "name") break; // no minute changes that
        if (isSpent(wish)) break;
      }
    }
    throw noWay(last!);
  }

  #found(skew: number): void {
    if (skew === this.#skews[0]) return;
    this.#skews = skewsAround(skew);
    const { log, server } = this.#o;
    if (skew === 0) return log.info("the clocks agree again", { server });
    const minutes = Math.abs(skew);
    log.warn("the clocks differ", {
      server,
      // A server takes what is one minute off, without a word.
      server_is: `more than ${minutes} min ${skew > 0 ? "ahead" : "behind"}`,
    });
  }

  /** @throws {ConnectError} the server's word; {TtunError} where it has none */
  async #try(wish: Wish, minute: number): Promise<Stream> {
    try {
      return await this.#ask(wish, minute, this.#knowsMark ? "at once" : "in turns");
    } catch (error) {
      if (!(error instanceof Unmarked)) throw error;
      if (isSpent(wish)) throw new TtunError("lost", "The server is another one than before");
      return await this.#ask(wish, minute, "in turns");
    }
  }

  async #ask(wish: Wish, minute: number, how: How): Promise<Stream> {
    const carrier = await this.#dial(minute, wish.signal);
    const { marker } = carrier.minute.secrets;
    const random = marker.markedRandom((length) => this.#random.take(length));
    const tunnel = this.#tunnel(carrier, random, "unmarked");
    try {
      return await promised((events) => new Asking(this.#o, tunnel, wish, how, events).begin());
    } catch (error) {
      this.#knowsMark &&= error instanceof ConnectError;
      throw error;
    }
  }

  async #dial(minute: number, signal: AbortSignal): Promise<Carrier> {
    const { secrets, wire, server } = this.#o;
    const borrowed = secrets.borrow(minute);
    let stream: Stream | null = null;
    try {
      stream = await dialAny({
        to: { host: server, port: portOf(borrowed.keys.otp, wire.range) },
        dialer: this.#o.dialer,
        resolver: this.#o.resolver,
        clock: this.#o.clock,
        nameMs: NAME_MS,
        timeoutMs: DIAL_MS,
        signal,
        life: this.#o.signal,
      });
      stream.tune(CARRIER_TUNING);
      return {
        stream,
        minute: borrowed,
        sealer: new FrameSealer(borrowed.secrets, this.#random),
        opener: new FrameOpener(borrowed.secrets),
      };
    } catch (error) {
      await stream?.[Symbol.asyncDispose]();
      borrowed[Symbol.dispose]();
      throw error;
    }
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
    tunnel.onClose(carrier.minute);
    return tunnel;
  }
}

/** The likeliest first; then a minute either way; then none, if a clock has been put right. */
function skewsAround(skew: number): readonly number[] {
  return [...new Set([skew, skew - 1, skew + 1, 0])];
}

/** Whether that is what the wish ends with: the server's word, or our own; another way has no other. */
function isWord(error: unknown, { signal }: Wish): boolean {
  return error instanceof ConnectError || signal.aborted || toTtunError(error).kind === "internal";
}

/** The ports follow from password and clock: where one of them is wrong, most often none is open. */
function noWay(error: TtunError): ConnectError {
  const mayBeOurs = error.kind === "unreachable" || error.kind === "timeout";
  const words = mayBeOurs ? `${error.message} (or ${OTHERWISE})` : error.message;
  return new ConnectError("tunnel", words, { cause: error });
}
