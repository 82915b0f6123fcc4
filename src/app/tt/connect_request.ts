import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { DialEvents } from "../../contract/dial.ts";
import {
  greeting,
  greetingAndRequest,
  request,
  Socks5Client,
} from "../../core/proxy/socks/socks5_client.ts";
import type { Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { ConnectError, toConnectError } from "../net/direct_outbound.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import type { TtConfig } from "./config.ts";
import type { ScratchBuffers } from "../net/scratch.ts";
import type { TtStream } from "./tt_stream.ts";

/** For a server's first frame, which waits for nothing but the way. Longer = another minute's key. */
export const ANSWER_MS = 5000;

/** The same over a carrier that has been used: where it leads nowhere any more there is another way. */
const AGAIN_MS = 2000;

/** A server's own time for a target, and the way there. */
const REPLY_GRACE_MS = 10_000;

/** Any peer takes a frame of so much text. */
const EARLY_TEXT = 1024;

/** What a connection is for. */
export interface Wish {
  readonly target: Target;
  readonly early: Uint8Array;
  /** `early` may come to the target once only. */
  readonly once: boolean;
  /** Over when the wish is. */
  readonly signal: AbortSignal;
  /** `early` may have come there. */
  isSent: boolean;
}

/** When a request goes: behind the answer to the greeting, with the greeting, or in one frame with it. */
export type How = "in turns" | "at once" | "again";

/** A server that had the mark has not any more: what stood behind the greeting is lost. */
export class Unmarked extends Error {}

/** A way to the server that others compete with, until one of them is answered. */
export interface Contender {
  /** Over when another way has won, or the wish is. */
  readonly signal: AbortSignal;
  /** The server has answered here. False: another way has won before. */
  answered(): boolean;
}

/** What all of a client's share. */
export interface AskingHost {
  readonly clock: Clock;
  readonly wire: TtConfig;
  readonly limits: ProxyLimits;
  readonly scratch: ScratchBuffers;
  /** What the carriers live under. */
  readonly signal: AbortSignal;
}

/**
 * Asks a server for a target through a tunnel that has just begun. Owns the tunnel unless it succeeds.
 * Fails by {ConnectError} the server's word, {TtunError} where it has none, {Unmarked}, or the reason
 * of the wish's abort. By callbacks, as SocksDriver is.
 */
export class ConnectRequest {
  readonly #host: AskingHost;
  readonly #tunnel: TtStream;
  readonly #wish: Wish;
  readonly #how: How;
  readonly #events: DialEvents;
  readonly #contender: Contender | null;
  readonly #signal: AbortSignal;
  readonly #socks = new Socks5Client();
  readonly #registration: Disposable | null;
  readonly #goesAlong: boolean;
  /** A write that has to wait. */
  #writing: Promise<void> | null = null;
  #deadline: Disposable | null = null;
  #late: TtunError | null = null;
  /** The minute was the right one. */
  #isAnswered = false;

  /** `contender`: the tunnel is one of several; absent = the only one. */
  constructor(
    host: AskingHost,
    tunnel: TtStream,
    wish: Wish,
    how: How,
    events: DialEvents,
    contender: Contender | null = null,
  ) {
    this.#host = host;
    this.#contender = contender;
    this.#signal = contender?.signal ?? wish.signal;
    this.#tunnel = tunnel;
    this.#wish = wish;
    this.#how = how;
    this.#events = events;
    this.#goesAlong = how !== "in turns" && (host.wire.mostText ?? Infinity) >= EARLY_TEXT;
    // A carrier outlives the connection that it was opened for.
    this.#registration = this.#signal === host.signal
      ? null
      : onAbort(this.#signal, () => tunnel.reset());
  }

  /** Returns as `OnReady`. */
  begin(): boolean {
    const wish = this.#wish;
    try {
      const texts = firstTexts(this.#how, wish.target);
      if (this.#goesAlong && wish.early.length > 0) {
        texts.push(...inPieces(wish.early));
        wish.isSent = true;
      }
      this.#write(texts);
      return this.#read();
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** The server may answer before it reads the rest; where the write fails, so does the read. */
  #write(texts: readonly Uint8Array[]): void {
    const writing = this.#writing === null
      ? this.#tunnel.writeFrames(texts)
      : this.#writing.then(() => this.#tunnel.writeFrames(texts));
    if (writing === undefined) return;
    const waiting = writing.then(() => {
      if (this.#writing === waiting) this.#writing = null;
    });
    waiting.catch(() => {});
    this.#writing = waiting;
  }

  readonly #onReadable = (): boolean => {
    try {
      return this.#read();
    } catch (error) {
      this.#fail(error);
      return false;
    }
  };

  #read(): boolean {
    const { scratch } = this.#host;
    for (;;) {
      const got = this.#tunnel.readNow(scratch.message);
      if (got === undefined) {
        this.#limit();
        this.#tunnel.onReadable(this.#onReadable);
        return true;
      }
      if (!this.#isAnswered) this.#answered(got === null);
      const steps = got === null ? this.#socks.ended() : this.#socks.feed(scratch.plainTo(got));
      for (const step of steps) {
        switch (step.kind) {
          case "failed":
            throw new ConnectError(step.failure, step.why);
          case "ask": // a frame of its own, however short frames are to be: existing servers want that
            if (this.#how === "in turns") this.#write([request(this.#wish.target)]);
            break;
          case "connected":
            return this.#connected();
        }
      }
    }
  }

  #answered(isEnd: boolean): void {
    if (isEnd) throw hungUp(this.#tunnel.remote);
    if (this.#contender?.answered() === false) throw this.#signal.reason;
    this.#isAnswered = true;
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = null;
    if (this.#how !== "in turns" && this.#tunnel.peerMark === "unmarked") throw new Unmarked();
  }

  /** It must not take for ever: first the server's answer, then the target's. */
  #limit(): void {
    if (this.#deadline !== null) return;
    const { clock, limits } = this.#host;
    const ms = this.#isAnswered
      ? limits.connectMs + REPLY_GRACE_MS
      : this.#how === "again"
      ? AGAIN_MS
      : ANSWER_MS;
    this.#deadline = clock.after(ms, () => {
      this.#late = silent(this.#tunnel.remote, ms);
      this.#tunnel.reset();
    });
  }

  #connected(): boolean {
    if (this.#writing === null && (this.#goesAlong || this.#wish.early.length === 0)) {
      return this.#done();
    }
    this.#writeRest().then(() => void this.#done(), (error) => this.#fail(error));
    return false;
  }

  async #writeRest(): Promise<void> {
    this.#limit();
    await this.#writing;
    const { early } = this.#wish;
    if (!this.#goesAlong && early.length > 0) await this.#tunnel.write(early);
  }

  #done(): boolean {
    this.#leave();
    this.#tunnel.unread(this.#socks.rest);
    return this.#events.connected(this.#tunnel) === true;
  }

  #fail(thrown: unknown): void {
    this.#leave();
    startClose(this.#tunnel);
    const { target } = this.#wish;
    const signal = this.#signal;
    const error = this.#late ?? thrown;
    const isWord = this.#isAnswered && error instanceof TtunError && error.kind !== "internal";
    this.#events.failed(
      signal.aborted ? signal.reason : isWord ? toConnectError(error, target) : error,
    );
  }

  #leave(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#registration?.[Symbol.dispose]();
  }
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

/** Why a server that has not shown to have the key may not have answered. */
export const OTHERWISE = "another key, cipher or port range there, " +
  "or the clocks differ by more than two minutes";

/** The error for a server that has taken the connection and says nothing. */
export function silent(server: Addr, ms: number): TtunError {
  const words = `No answer from the server ${formatAddr(server)} within ${ms / 1000} s`;
  return new TtunError("timeout", words);
}

/** The error for a server that ends before it has shown the key. */
export function hungUp(server: Addr): TtunError {
  const words = `The server ${formatAddr(server)} hung up without a word: ${OTHERWISE}`;
  return new TtunError("auth", words);
}
