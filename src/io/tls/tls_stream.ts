import type { Addr } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { Lifetime } from "../net/lifetime.ts";
import { closedHere } from "../net/net_errors.ts";
import { noText, tlsError } from "./tls_errors.ts";
import { CHUNK, type TlsPipe } from "./tls_pipe.ts";

/** Milliseconds for what waits to be sent when the stream is closed. */
const LINGER_MS = 500;

/**
 * Encrypted bytes in a row without a byte of text. A record has 16 KiB; more are new keys and the
 * like without end, each of which costs much more than it did to send.
 */
const MOST_WITHOUT_TEXT = 32 * 1024;

/** Bytes that are read at once, however few are asked for: a record. */
const LEAST_PULL = 17 * 1024;

export interface TlsStreamOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Closes the connection with the signal's reason; absent = it lives under the same signal. */
  readonly close?: (reason: unknown) => void;
  readonly binding?: Uint8Array | undefined;
}

/** TLS over a connection, whose handshake is complete. Owns connection and session. */
export class TlsStream implements Connection {
  readonly binding: Uint8Array | undefined;
  readonly #pipe: TlsPipe;
  readonly #inner: Connection;
  readonly #clock: Clock;
  readonly #life: Lifetime;
  #hasEnded = false;
  /** Encrypted bytes since the last text. */
  #withoutText = 0;
  /** Encrypted bytes that are read at once: more as long as there are so many, with text in them. */
  #pullSize = MOST_WITHOUT_TEXT;
  #failure: { readonly error: unknown } | null = null;
  #awaitsRoom = false;
  #writer: OnReady | null = null;
  /** An end of writing that waits for room. */
  #ending: PromiseWithResolvers<void> | null = null;

  constructor(pipe: TlsPipe, { signal, clock, close = () => {}, binding }: TlsStreamOptions) {
    this.binding = binding;
    this.#pipe = pipe;
    this.#inner = pipe.inner;
    this.#clock = clock;
    this.#life = new Lifetime(signal, () => {
      if (signal.aborted) close(signal.reason);
      this.#release();
    });
    if (signal.aborted) this.#life.end(signal.reason);
  }

  get peer(): string {
    return this.#inner.peer;
  }

  get local(): Addr {
    return this.#inner.local;
  }

  get remote(): Addr {
    return this.#inner.remote;
  }

  get congestion(): string {
    return this.#inner.congestion;
  }

  stats(): ConnectionStats {
    return this.#inner.stats();
  }

  setOptions(options: SocketOptions): string[] {
    return this.#inner.setOptions(options);
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#check();
    let done = 0;
    try {
      for (;;) {
        const got = this.#pipe.session.read(done === 0 ? into : into.subarray(done));
        if (got === null) {
          this.#pipe.session.keep();
          return done === 0 ? null : done; // it is told again
        }
        if (got !== undefined) {
          if (2 * this.#withoutText > this.#pullSize) {
            this.#pullSize = Math.min(CHUNK, 2 * this.#pullSize);
          }
          this.#withoutText = 0;
          done += got;
          if (done >= into.length) {
            this.#pipe.session.keep();
            return done;
          }
          continue; // one read gives one record at most
        }
        this.#flush(); // answers to new keys
        if (done > 0) return done;
        if (this.#withoutText > MOST_WITHOUT_TEXT) throw noText(this.peer);
        // No more than fits: as many encrypted bytes hold less text.
        const pulled = this.#pipe.pull(Math.min(this.#pullSize, Math.max(into.length, LEAST_PULL)));
        if (pulled === 0) return undefined;
        this.#withoutText += pulled;
      }
    } catch (thrown) {
      const error = this.#fail(thrown);
      if (done === 0) throw error;
      return done; // the next call throws it
    }
  }

  onReadable(run: OnReady): void {
    this.#inner.onReadable(run);
  }

  writeNow(bytes: Uint8Array): number {
    this.#check();
    if (this.#hasEnded) throw closedHere();
    try {
      let done = 0;
      while (done < bytes.length && this.#flush()) {
        const chunk = bytes.subarray(done, done + CHUNK);
        this.#pipe.session.write(chunk);
        done += chunk.length;
      }
      this.#flush();
      return done;
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  onWritable(run: OnReady): void {
    this.#life.check();
    this.#writer = run;
    this.#awaitRoom();
  }

  closeWrite(closes = false): MaybePromise<void> {
    this.#check();
    try {
      this.#sayEnd();
      if (this.#flush()) return this.#inner.closeWrite(closes);
    } catch (thrown) {
      throw this.#fail(thrown);
    }
    this.#ending ??= Promise.withResolvers();
    return this.#ending.promise;
  }

  reset(): void {
    this.#inner.reset();
    this.#life.end(closedHere());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.isOver && this.#failure === null) await this.#linger();
    await this.#inner[Symbol.asyncDispose]();
    this.#life.end(closedHere());
  }

  /** Has what was written sent, as a kernel does behind a close. */
  async #linger(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.after(LINGER_MS, resolve);
    try {
      await Promise.race([this.closeWrite(), promise]);
    } catch {
      // The connection is gone.
    }
  }

  async #closeInner(): Promise<void> {
    await this.#inner.closeWrite();
  }

  #check(): void {
    this.#life.check();
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** A failure is that of all later calls too. */
  #fail(thrown: unknown): unknown {
    this.#failure ??= { error: tlsError(thrown, this.peer) };
    this.#pipe.flushAlert();
    return this.#failure.error;
  }

  #flush(): boolean {
    if (this.#pipe.flush()) return true;
    this.#awaitRoom();
    return false;
  }

  #awaitRoom(): void {
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    this.#inner.onWritable(this.#onRoom);
  }

  readonly #onRoom = (): boolean => {
    this.#awaitsRoom = false;
    if (this.#life.isOver) return true;
    try {
      if (this.#failure === null && !this.#flush()) return true;
      const ending = this.#ending;
      this.#ending = null;
      if (ending !== null) this.#closeInner().then(ending.resolve, ending.reject);
    } catch (thrown) {
      this.#ending?.reject(this.#fail(thrown));
      this.#ending = null;
    }
    return this.#wake();
  };

  /** Whoever waits for room calls again, and is told there of a failure. */
  #wake(): boolean {
    const run = this.#writer;
    this.#writer = null;
    return run === null || run() === true;
  }

  #sayEnd(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#pipe.session.shutdown();
  }

  /** It is over: OpenSSL's memory goes, and whoever waits hears of it. */
  #release(): void {
    this.#pipe.session[Symbol.dispose]();
    this.#ending?.reject(closedHere());
    this.#ending = null;
    queueMicrotask(() => void this.#wake());
  }
}
