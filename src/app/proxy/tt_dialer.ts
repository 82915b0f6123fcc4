import { formatAddr } from "../../base/addr.ts";
import { concat } from "../../base/bytes.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Stream } from "../../contract/stream.ts";
import { greeting, request, Socks5Client } from "../../core/proxy/socks5_client.ts";
import type { Target } from "../../core/proxy/target.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import type { Peer } from "../../core/tt/mark.ts";
import { NonceMemory } from "../../core/tt/nonces.ts";
import { portOf } from "../../core/tt/port_range.ts";
import { RandomBlock } from "../../core/tt/random.ts";
import { dialAny } from "../dial_any.ts";
import { type Connect, ConnectError, toConnectError } from "./egress.ts";
import { type Carrier, Carriers } from "./carriers.ts";
import type { MinuteSecrets } from "./minute_secrets.ts";
import type { ProxyHost, ProxyLimits, TtWire } from "./options.ts";
import type { Scratch } from "./scratch.ts";
import { TtStream } from "./tt_stream.ts";

/** For the server's TCP, as the existing programs have it. */
const DIAL_MS = 5000;

/** For its first frame, which waits for nothing but the way. Longer = another minute's key. */
const ANSWER_MS = 5000;

/** A server's own time for a target, and the way there. */
const REPLY_GRACE_MS = 10_000;

/** An answer may be to a frame of the longest lifetime ago. */
const REACH = 15;

/** As the existing programs have it. */
const TUNING = { noDelay: true, keepAliveSeconds: 60 };

const NOTHING = new Uint8Array();

const EARLY_TEXT = 1024;

/** The same over a carrier that has been used: where it leads nowhere any more there is another way. */
const AGAIN_MS = 2000;

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
 * Connects to targets through a server of tt or of ttun: a connection of its own for each, on the
 * port of the minute (docs/tt-v1.md, 1.5, 3.3 and 7). Where the clocks differ it finds out by how
 * many minutes, and remembers it.
 */
export class TtDialer implements Disposable {
  readonly #o: TtDialerOptions;
  readonly #nonces: NonceMemory;
  readonly #random: RandomBlock;
  readonly #carriers: Carriers;
  /** By how many minutes the server's clock was ahead of ours the last time. */
  #skew = 0;
  /** The server has shown the mark: it takes the request behind the greeting. */
  #knowsMark = false;

  constructor(o: TtDialerOptions) {
    this.#o = o;
    this.#nonces = new NonceMemory(o.rng, { reach: REACH });
    this.#random = new RandomBlock(o.rng);
    this.#carriers = new Carriers(o.clock);
  }

  [Symbol.dispose](): void {
    this.#carriers[Symbol.dispose]();
  }

  readonly connect: Connect = async (target, { signal, early = NOTHING, once = false }) => {
    const wish: Wish = { target, early, once, isSent: false };
    let last: TtunError | null = null;
    for (const skew of this.#skews()) {
      try {
        const stream = await this.#try(wish, skew, signal);
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

  /** The likeliest first; then a minute either way; then none, if a clock has been put right. */
  #skews(): number[] {
    const now = minuteOf(this.#o.wallClock());
    const skews = new Set([this.#skew, this.#skew - 1, this.#skew + 1, 0]);
    return [...skews].filter((skew) => now + skew >= 0);
  }

  #found(skew: number): void {
    if (skew === this.#skew) return;
    this.#skew = skew;
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
  async #try(wish: Wish, skew: number, signal: AbortSignal): Promise<Stream> {
    const again = await this.#tryAgain(wish, skew, signal);
    if (again !== null) return again;
    try {
      return await this.#askFresh(wish, skew, signal, this.#knowsMark);
    } catch (error) {
      if (!(error instanceof Unmarked)) throw error;
      if (isSpent(wish)) throw new TtunError("lost", "The server is another one than before");
      return await this.#askFresh(wish, skew, signal, false);
    }
  }

  /** Over a carrier that has been used; null = there is none that still leads to the server. */
  async #tryAgain(wish: Wish, skew: number, signal: AbortSignal): Promise<Stream | null> {
    const minute = minuteOf(this.#o.wallClock()) + skew;
    const carrier = this.#carriers.take(minute);
    if (carrier === null) return null;
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
    skew: number,
    signal: AbortSignal,
    isPipelined: boolean,
  ): Promise<Stream> {
    const { secrets, wire, server, wallClock } = this.#o;
    const minute = secrets.borrow(minuteOf(wallClock()) + skew);
    let stream: Stream;
    try {
      const port = portOf(minute.keys.otp, wire.range);
      stream = await dialAny({
        to: { host: server, port },
        dialer: this.#o.dialer,
        resolver: this.#o.resolver,
        clock: this.#o.clock,
        timeoutMs: DIAL_MS,
        signal,
        life: this.#o.signal,
      });
    } catch (error) {
      minute[Symbol.dispose]();
      throw error;
    }
    stream.tune(TUNING);
    const random = minute.secrets.marker.markedRandom((length) => this.#random.take(length));
    const tunnel = this.#tunnel({ stream, minute }, random, "unmarked");
    return await this.#ask(tunnel, wish, signal, isPipelined ? "at once" : "in turns");
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
      const texts = isPipelined ? [greeting(), request(target)] : [greeting()];
      if (how === "again") texts.splice(0, 2, concat(...texts));
      if (goesAlong) texts.push(...inPieces(early));
      wish.isSent ||= goesAlong && early.length > 0;
      // The server may answer before it reads the rest; where the write fails, so does the read.
      const written = Promise.resolve(tunnel.writeFrames(texts));
      written.catch(() => {});
      const socks = new Socks5Client(target);
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
          if (step.kind === "send" && isPipelined) continue; // it has gone
          await written;
          if (step.kind === "connected") {
            tunnel.unread(socks.rest);
            if (!goesAlong && early.length > 0) await tunnel.write(early);
            return;
          }
          // A message is one frame, however short frames are to be: existing servers ask for that.
          await tunnel.writeFrames([step.bytes]);
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
