import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Stream } from "../../contract/stream.ts";
import {
  greeting,
  greetingAndRequest,
  request,
  Socks5Client,
} from "../../core/proxy/socks/socks5_client.ts";
import type { Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { ConnectError, toConnectError } from "../net/connect_error.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import type { TtConfig } from "./config.ts";
import type { ScratchBuffers } from "../net/scratch.ts";
import { hungUp, silent } from "./server_errors.ts";
import type { TtStream } from "./tt_stream.ts";
import { write } from "../loop/stream_io.ts";

/** Milliseconds for the server's first frame; without it the server has another minute's key. */
export const ANSWER_MS = 5000;

/** Shorter on a reused connection: a fresh one can still be dialled. */
const REUSED_MS = 2000;

/** Milliseconds beyond the server's own time-out for a target, and for the way there. */
const REPLY_GRACE_MS = 10_000;

/** Bytes of text that a frame for any peer may have. */
const EARLY_TEXT = 1024;

export interface TargetRequest {
  readonly target: Target;
  readonly early: Uint8Array;
  /** `early` must not reach the target twice. */
  readonly once: boolean;
  readonly signal: AbortSignal;
  /** `early` was sent, and may have reached the target. */
  isSent: boolean;
}

/**
 * The request comes after the answer to the greeting, both at once, or both in one frame, which is
 * for connections that were used before.
 */
export type Pacing = "lock-step" | "pipelined" | "merged";

/** The server had the mark before and has it no longer: what followed the greeting is lost. */
export class Unmarked extends Error {}

/** The first attempt that is answered wins. */
export interface Contender {
  /** Aborts when another attempt has won, or with the request. */
  readonly signal: AbortSignal;
  /** Returns false if another attempt has won before. */
  answered(): boolean;
}

export interface ConnectRequestHost {
  readonly clock: Clock;
  readonly wire: TtConfig;
  readonly limits: ProxyLimits;
  readonly scratch: ScratchBuffers;
  readonly signal: AbortSignal;
}

/**
 * Asks for a target over a new stream, which it owns unless it succeeds. Fails with the server's
 * ConnectError, a TtunError without an answer, Unmarked, or the signal's reason.
 */
export class ConnectRequest {
  readonly #host: ConnectRequestHost;
  readonly #stream: TtStream;
  readonly #request: TargetRequest;
  readonly #pacing: Pacing;
  readonly #events: DialEvents<Stream>;
  readonly #contender: Contender | null;
  readonly #signal: AbortSignal;
  readonly #socks = new Socks5Client();
  readonly #registration: Disposable | null;
  readonly #sendsEarly: boolean;
  #writing: Promise<void> | null = null;
  #deadline: Disposable | null = null;
  #late: TtunError | null = null;
  /** The server has the key of this minute. */
  #isAnswered = false;

  /** `contender`: null if there is no other attempt. */
  constructor(
    host: ConnectRequestHost,
    stream: TtStream,
    request: TargetRequest,
    pacing: Pacing,
    events: DialEvents<Stream>,
    contender: Contender | null = null,
  ) {
    this.#host = host;
    this.#contender = contender;
    this.#signal = contender?.signal ?? request.signal;
    this.#stream = stream;
    this.#request = request;
    this.#pacing = pacing;
    this.#events = events;
    this.#sendsEarly = pacing !== "lock-step" && (host.wire.mostText ?? Infinity) >= EARLY_TEXT;
    // The connection has the host's signal itself, and outlives the request.
    this.#registration = this.#signal === host.signal
      ? null
      : onAbort(this.#signal, () => stream.reset());
  }

  begin(): boolean {
    const asked = this.#request;
    try {
      const texts = firstTexts(this.#pacing, asked.target);
      if (this.#sendsEarly && asked.early.length > 0) {
        texts.push(...inPieces(asked.early));
        asked.isSent = true;
      }
      this.#write(texts);
      return this.#read();
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Does not wait: the server may answer before it reads on. A failure shows in the read. */
  #write(texts: readonly Uint8Array[]): void {
    const writing = this.#writing === null
      ? this.#stream.writeFrames(texts)
      : this.#writing.then(() => this.#stream.writeFrames(texts));
    if (writing === undefined) return;
    const waiting = writing.then(() => {
      if (this.#writing === waiting) this.#writing = null;
    });
    waiting.catch(() => {}); // the read of the answer fails as well
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
      const got = this.#stream.readNow(scratch.message);
      if (got === undefined) {
        this.#limit();
        this.#stream.onReadable(this.#onReadable);
        return true;
      }
      if (!this.#isAnswered) this.#answered(got === null);
      const steps = got === null ? this.#socks.ended() : this.#socks.feed(scratch.plainTo(got));
      for (const step of steps) {
        switch (step.kind) {
          case "failed":
            throw new ConnectError(step.failure, step.why);
          case "ask": // a frame of its own, even if `--mtu` is less: existing servers need that
            if (this.#pacing === "lock-step") this.#write([request(this.#request.target)]);
            break;
          case "connected":
            return this.#connected();
        }
      }
    }
  }

  #answered(isEnd: boolean): void {
    if (isEnd) throw hungUp(this.#stream.peer);
    if (this.#contender?.answered() === false) throw this.#signal.reason;
    this.#isAnswered = true;
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = null;
    if (this.#pacing !== "lock-step" && this.#stream.peerMark === "unmarked") throw new Unmarked();
  }

  #limit(): void {
    if (this.#deadline !== null) return;
    const { clock, limits } = this.#host;
    const ms = this.#isAnswered
      ? limits.connectMs + REPLY_GRACE_MS
      : this.#pacing === "merged"
      ? REUSED_MS
      : ANSWER_MS;
    this.#deadline = clock.after(ms, () => {
      this.#late = silent(this.#stream.peer, ms);
      this.#stream.reset();
    });
  }

  #connected(): boolean {
    if (this.#writing === null && (this.#sendsEarly || this.#request.early.length === 0)) {
      return this.#done();
    }
    this.#writeRest().then(() => void this.#done(), (error) => this.#fail(error));
    return false;
  }

  async #writeRest(): Promise<void> {
    this.#limit();
    await this.#writing;
    const { early } = this.#request;
    if (!this.#sendsEarly && early.length > 0) await write(this.#stream, early);
  }

  #done(): boolean {
    this.#leave();
    this.#stream.unread(this.#socks.rest);
    return this.#events.connected(this.#stream) === true;
  }

  #fail(thrown: unknown): void {
    this.#leave();
    startClose(this.#stream);
    const { target } = this.#request;
    const signal = this.#signal;
    const error = this.#late ?? thrown;
    const isFinal = this.#isAnswered && error instanceof TtunError && error.kind !== "internal";
    this.#events.failed(
      signal.aborted ? signal.reason : isFinal ? toConnectError(error, target) : error,
    );
  }

  #leave(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#registration?.[Symbol.dispose]();
  }
}

function firstTexts(pacing: Pacing, target: Target): Uint8Array[] {
  if (pacing === "merged") return [greetingAndRequest(target)];
  return pacing === "pipelined" ? [greeting(), request(target)] : [greeting()];
}

/** Splits a text into frames that any peer takes: the server may be another than before. */
function inPieces(text: Uint8Array): Uint8Array[] {
  const pieces = [];
  for (let at = 0; at < text.length; at += EARLY_TEXT) {
    pieces.push(text.subarray(at, at + EARLY_TEXT));
  }
  return pieces;
}
