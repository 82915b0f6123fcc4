import { formatAddr } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Stream } from "../../contract/stream.ts";
import {
  greeting,
  greetingAndRequest,
  request,
  Socks5Client,
} from "../../core/proxy/socks5_client.ts";
import type { Target } from "../../core/proxy/target.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import type { Peer } from "../../core/tt/mark.ts";
import { NonceMemory } from "../../core/tt/nonces.ts";
import { portOf } from "../../core/tt/port_range.ts";
import { RandomBlock } from "../../core/tt/random.ts";
import { dialAny } from "../dial_any.ts";
import { type Connect, ConnectError, toConnectError } from "./egress.ts";
import { type Carrier, CARRIER_TUNING, Carriers } from "./carriers.ts";
import type { MinuteSecrets } from "./minute_secrets.ts";
import type { ProxyHost, ProxyLimits, TtWire } from "./options.ts";
import type { Scratch } from "./scratch.ts";
import { TtStream } from "./tt_stream.ts";

/** For the server's TCP, as the existing programs have it. */
const DIAL_MS = 5000;

/** For its first frame, which waits for nothing but the way. Longer = another minute's key. */
const ANSWER_MS = 5000;

/** The same over a carrier that has been used: where it leads nowhere any more there is another way. */
const AGAIN_MS = 2000;

/** A server's own time for a target, and the way there. */
const REPLY_GRACE_MS = 10_000;

/** An answer may be to a frame of the longest lifetime ago. */
const REACH = 15;

const NOTHING = new Uint8Array();

const EARLY_TEXT = 1024;

/** When a request goes: behind the answer to the greeting, with the greeting, or in one frame with it. */
type How = "in turns" | "at once" | "again";

/** What a connection is for. */
interface Wish {
  readonly target: Target;
  readonly early: Uint8Array;
  /** `early` may come to the target once only. */
  readonly once: boolean;
  /** It may have come there. */
  isSent: boolean;
}

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

  readonly connect: Connect = async (target, { signal, early = NOTHING, once = false }) => {
    const wish: Wish = { target, early, once, isSent: false };
    let last: TtunError | null = null;
    for (const skew of this.#skews) {
      const minute = minuteOf(this.#o.wallClock()) + skew;
      if (minute < 0) continue; // a clock that has not been set yet
      try {
        const stream = await this.#try(wish, minute, signal);
        this.#found(skew);
        return stream;
      } catch (thrown) {
        if (thrown instanceof ConnectError) {
          this.#found(skew); // it has answered
          throw thrown;
        }
        if (signal.aborted) throw signal.reason;
        const error = toTtunError(thrown);
        if (error.kind === "internal") throw error;
        last ??= error;
        if (error.kind === "name") break; // no minute changes that
        if (isSpent(wish)) break;
      }
    }
    throw noWay(last!);
  };

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
  async #try(wish: Wish, minute: number, signal: AbortSignal): Promise<Stream> {
    const carrier = this.#carriers.take(minute);
    const again = carrier === null ? null : await this.#tryAgain(carrier, wish, signal);
    if (again !== null) return again;
    try {
      return await this.#askFresh(wish, minute, signal, this.#knowsMark);
    } catch (error) {
      if (!(error instanceof Unmarked)) throw error;
      if (isSpent(wish)) throw new TtunError("lost", "The server is another one than before");
      return await this.#askFresh(wish, minute, signal, false);
    }
  }

  /** Over a carrier that has been used; null = it does not lead to the server any more. */
  async #tryAgain(carrier: Carrier, wish: Wish, signal: AbortSignal): Promise<Stream | null> {
    const random = this.#random.take(MAX_RANDOM_SENT);
    try {
      return await this.#ask(this.#tunnel(carrier, random, "lasting"), wish, signal, "again");
    } catch (error) {
      if (error instanceof ConnectError || signal.aborted || isSpent(wish)) throw error;
      if (toTtunError(error).kind === "internal") throw error;
      this.#carriers.clear(); // what ended this one has ended them all, most often
      return null;
    }
  }

  async #askFresh(
    wish: Wish,
    minute: number,
    signal: AbortSignal,
    isPipelined: boolean,
  ): Promise<Stream> {
    const carrier = await this.#dial(minute, signal);
    const { marker } = carrier.minute.secrets;
    const random = marker.markedRandom((length) => this.#random.take(length));
    const tunnel = this.#tunnel(carrier, random, "unmarked");
    return await this.#ask(tunnel, wish, signal, isPipelined ? "at once" : "in turns");
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
        timeoutMs: DIAL_MS,
        signal,
        life: this.#o.signal,
      });
      stream.tune(CARRIER_TUNING);
      return { stream, minute: borrowed };
    } catch (error) {
      await stream?.[Symbol.asyncDispose]();
      borrowed[Symbol.dispose]();
      throw error;
    }
  }

  /** Owns the tunnel unless it succeeds. */
  async #ask(tunnel: TtStream, wish: Wish, signal: AbortSignal, how: How): Promise<Stream> {
    // A carrier outlives the connection that it was opened for.
    using _tie = signal === this.#o.signal ? null : onAbort(signal, () => tunnel.reset());
    try {
      await this.#request(tunnel, wish, how);
      return tunnel;
    } catch (error) {
      await tunnel[Symbol.asyncDispose]();
      throw signal.aborted ? signal.reason : error;
    }
  }

  #tunnel(carrier: Carrier, firstRandom: Uint8Array, peer: Peer): TtStream {
    const { wallClock, wire, clock, scratch } = this.#o;
    const { keys, secrets } = carrier.minute;
    const nonceOf = (random: Uint8Array) => random.subarray(0, NONCE_SIZE);
    this.#nonces.noteSent(keys, nonceOf(firstRandom), minuteOf(wallClock()));
    const tunnel = new TtStream({
      stream: carrier.stream,
      sealer: new FrameSealer(secrets, this.#random),
      opener: new FrameOpener(secrets),
      scratch,
      clock,
      firstRandom,
      peer,
      onFirst: (random) => {
        const verdict = this.#nonces.noteReceived(keys, nonceOf(random), minuteOf(wallClock()));
        if (verdict !== "new") {
          throw new ProtocolError(
            `Cannot trust the server: its first frame is not new (${verdict})`,
          );
        }
        return peer === "lasting" ? peer : secrets.marker.peerOf(random);
      },
      onIdle: () => this.#carriers.put(carrier),
      ...(wire.mostText !== undefined && { mostText: wire.mostText }),
    });
    tunnel.onClose(carrier.minute);
    return tunnel;
  }

  /** Asks for the target, and waits for the answer. */
  async #request(
    tunnel: TtStream,
    wish: Wish,
    how: How,
  ): Promise<void> {
    const isPipelined = how !== "in turns";
    const { target, early } = wish;
    const { clock, limits, wire } = this.#o;
    const peer = formatAddr(tunnel.remote);
    let late: TtunError | null = null;
    const giveUpAfter = (ms: number) =>
      clock.after(ms, () => {
        late = new TtunError("timeout", `No answer from the server ${peer} within ${ms / 1000} s`);
        tunnel.reset();
      });
    let deadline = giveUpAfter(how === "again" ? AGAIN_MS : ANSWER_MS);
    let isAnswered = false;
    try {
      const goesAlong = isPipelined && (wire.mostText ?? Infinity) >= EARLY_TEXT;
      const texts = firstTexts(how, target);
      if (goesAlong) texts.push(...inPieces(early));
      wish.isSent ||= goesAlong && early.length > 0;
      // The server may answer before it reads the rest; where the write fails, so does the read.
      const written = Promise.resolve(tunnel.writeFrames(texts));
      written.catch(() => {});
      const socks = new Socks5Client();
      const reply = this.#o.scratch.message;
      for (;;) {
        const got = tunnel.readNow(reply);
        if (got === undefined) {
          await tunnel.readable();
          continue;
        }
        if (!isAnswered) {
          if (got === null) throw noAnswer(peer);
          isAnswered = true;
          deadline[Symbol.dispose]();
          deadline = giveUpAfter(limits.connectMs + REPLY_GRACE_MS);
          this.#knowsMark = tunnel.peer !== "unmarked";
          if (isPipelined && !this.#knowsMark) throw new Unmarked();
        }
        for (const step of got === null ? socks.ended() : socks.feed(reply.subarray(0, got))) {
          if (step.kind === "failed") throw new ConnectError(step.failure, step.why);
          if (step.kind === "ask" && isPipelined) continue; // it has gone
          await written;
          if (step.kind === "connected") {
            tunnel.unread(socks.rest);
            if (!goesAlong && early.length > 0) await tunnel.write(early);
            return;
          }
          // A message is one frame, however short frames are to be: existing servers ask for that.
          await tunnel.writeFrames([request(target)]);
        }
      }
    } catch (thrown) {
      this.#knowsMark &&= how === "again" || thrown instanceof ConnectError;
      const error = late ?? thrown;
      if (!(error instanceof TtunError) || error.kind === "internal") throw error;
      throw isAnswered ? toConnectError(error, target) : error; // the minute was the right one
    } finally {
      deadline[Symbol.dispose]();
    }
  }
}

/** The likeliest first; then a minute either way; then none, if a clock has been put right. */
function skewsAround(skew: number): readonly number[] {
  return [...new Set([skew, skew - 1, skew + 1, 0])];
}

function firstTexts(how: How, target: Target): Uint8Array[] {
  if (how === "again") return [greetingAndRequest(target)];
  return how === "at once" ? [greeting(), request(target)] : [greeting()];
}

/** Frames that any peer takes: whether it still is the one that it was is not known yet. */
function inPieces(text: Uint8Array): Uint8Array[] {
  const pieces = [];
  for (let at = 0; at < text.length; at += EARLY_TEXT) {
    pieces.push(text.subarray(at, at + EARLY_TEXT));
  }
  return pieces;
}

/** A server that had the mark has not any more: what stood behind the greeting is lost. */
class Unmarked extends Error {}

const OTHERWISE = "another password, cipher or port range there, " +
  "or the clocks differ by more than two minutes";

function noAnswer(peer: string): TtunError {
  return new TtunError("auth", `The server ${peer} hung up without a word: ${OTHERWISE}`);
}

/** The ports follow from password and clock: where one of them is wrong, most often none is open. */
function noWay(error: TtunError): ConnectError {
  const mayBeOurs = error.kind === "unreachable" || error.kind === "timeout";
  const words = mayBeOurs ? `${error.message} (or ${OTHERWISE})` : error.message;
  return new ConnectError("tunnel", words, { cause: error });
}
