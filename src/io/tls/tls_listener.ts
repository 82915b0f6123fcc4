import type { Addr } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { logProtocol } from "./protocol_log.ts";
import { HANDSHAKE_MS, runHandshake } from "./tls_handshake.ts";
import { TlsPipe } from "./tls_pipe.ts";
import { TlsStream } from "./tls_stream.ts";

/** Handshakes at once: one more ends the oldest. */
const MOST_HANDSHAKES = 256;

/**
 * Connections in a row after which other tasks get a turn: each may have its hello there already, and
 * cost a signature, milliseconds with some keys.
 */
const TAKEN_A_TURN = 2;

export interface TlsListenerOptions {
  readonly context: TlsContext;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A connection that lives until `abort`, whoever takes it. */
interface Accepted {
  readonly pipe: TlsPipe;
  readonly life: AbortController;
}

/** Accepts as `inner` does; gives those whose TLS handshake is complete. Owns `inner`. */
export class TlsListener implements Listener {
  readonly #inner: Listener;
  readonly #o: TlsListenerOptions;
  readonly #said: RateLimitedLog;
  /** Handshakes, the oldest first; each ends by its call. */
  readonly #handshakes = new Set<() => void>();
  readonly #ready: Accepted[] = [];
  /** An error of `inner`, which the next `acceptNow` throws. */
  #failure: { readonly error: unknown } | null = null;
  #waiter: OnReady | null = null;
  #isAwaiting = false;

  constructor(inner: Listener, o: TlsListenerOptions) {
    this.#inner = inner;
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
    this.#takeAll(); // clients need not wait for the first call
    if (this.#failure === null) this.#await();
  }

  get addr(): Addr {
    return this.#inner.addr;
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    signal.throwIfAborted();
    this.#takeAll();
    const accepted = this.#ready.shift();
    if (accepted !== undefined) {
      const { pipe, life } = accepted;
      return new TlsStream(pipe, { signal, clock: this.#o.clock, close: (why) => life.abort(why) });
    }
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
    return null;
  }

  onAcceptable(run: OnReady): void {
    this.#waiter = run;
    this.#await();
  }

  limitSegments(segmentBytes: number): boolean {
    return this.#inner.limitSegments?.(segmentBytes) ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
    for (const end of this.#handshakes) end();
    for (const { pipe } of this.#ready.splice(0)) drop(pipe);
    this.#wake();
  }

  #await(): void {
    if (this.#isAwaiting) return;
    this.#isAwaiting = true;
    this.#inner.onAcceptable(this.#onIncoming);
  }

  readonly #onIncoming = (): boolean => {
    this.#isAwaiting = false;
    this.#takeAll();
    if (this.#failure === null) this.#await();
    return this.#ready.length > 0 || this.#failure !== null ? this.#wake() : true;
  };

  #wake(): boolean {
    const run = this.#waiter;
    this.#waiter = null;
    return run === null || run() === true;
  }

  /** Begins the handshakes of connections that have come; the rest has its turn later. */
  #takeAll(): void {
    if (this.#isAwaiting) return;
    try {
      for (let taken = 0;; taken++) {
        if (taken >= TAKEN_A_TURN) {
          this.#isAwaiting = true;
          return this.#o.clock.onTurn(this.#onIncoming);
        }
        const life = new AbortController();
        const stream = this.#acceptNow(life.signal);
        if (stream === null) return;
        this.#begin(stream, life);
      }
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Without a descriptor the oldest handshake, most likely a stranger's, ends for a newer one. */
  #acceptNow(signal: AbortSignal): Connection | null {
    try {
      return this.#inner.acceptNow({ signal });
    } catch (error) {
      const isExhausted = error instanceof TtunError && error.kind === "exhausted";
      if (!isExhausted || !this.#endOldest()) throw error;
      return this.#inner.acceptNow({ signal });
    }
  }

  #endOldest(): boolean {
    for (const end of this.#handshakes) {
      end();
      return true;
    }
    return false;
  }

  #begin(stream: Connection, life: AbortController): void {
    const { clock, context, log } = this.#o;
    if (this.#handshakes.size >= MOST_HANDSHAKES) this.#endOldest();
    const pipe = new TlsPipe(stream, context.begin(null));
    const give = () => {
      timer[Symbol.dispose]();
      return this.#handshakes.delete(giveUp);
    };
    const giveUp = () => {
      if (give()) drop(pipe);
    };
    const timer = clock.after(HANDSHAKE_MS, giveUp);
    this.#handshakes.add(giveUp);
    const judge = (session: TlsSession) => {
      if (context.protocols.length > 0) logProtocol(log, stream.peer, session.protocol);
    };
    runHandshake(pipe, judge, (failure) => {
      if (!give()) return true;
      if (failure === null) {
        this.#ready.push({ pipe, life });
        return this.#wake();
      }
      const { message } = toTtunError(failure.error);
      this.#said.warn("TLS handshake failed", { peer: stream.peer, why: message });
      drop(pipe);
      return true;
    });
  }
}

function drop({ inner, session }: TlsPipe): void {
  session[Symbol.dispose]();
  startClose(inner);
}
