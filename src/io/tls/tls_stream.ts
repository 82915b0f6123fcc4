import type { Addr } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import type { TlsSession } from "../../../ffi/openssl/libssl.ts";
import { Lifetime } from "../net/lifetime.ts";
import { closedHere } from "../net/net_errors.ts";
import { cutOff, tlsError } from "./tls_errors.ts";

/** Bytes that are encrypted before they are sent: four records. */
const CHUNK = 64 * 1024;

/** Scratch of all streams: bytes from and for the peers, encrypted. */
const INCOMING = new Uint8Array(CHUNK);
const OUTGOING = new Uint8Array(CHUNK + 4096);

const NOTHING = new Uint8Array(0);

export interface TlsStreamOptions {
  /** Its abort ends the stream, as it ends the connection. */
  readonly signal: AbortSignal;
  /** Judges the peer when the handshake is complete. Throws if it is not the right one. */
  readonly judge?: (session: TlsSession) => void;
}

/**
 * TLS over a connection. The handshake goes on as the stream is read or written; its failure is the
 * failure of both. Owns connection and session.
 */
export class TlsStream implements Connection {
  readonly #inner: Connection;
  readonly #session: TlsSession;
  readonly #judge: (session: TlsSession) => void;
  readonly #life: Lifetime;
  #isUp = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | null = null;
  /** Encrypted bytes that the connection has not taken yet. */
  #unsent: Uint8Array = NOTHING;
  #awaitsRoom = false;
  /** Callbacks that wait for the handshake, or for what the connection cannot tell by itself. */
  #reader: OnReady | null = null;
  #writer: OnReady | null = null;
  /** An end of writing that waits for room. */
  #ending: PromiseWithResolvers<void> | null = null;

  constructor(inner: Connection, session: TlsSession, o: TlsStreamOptions) {
    this.#inner = inner;
    this.#session = session;
    this.#judge = o.judge ?? (() => {});
    this.#life = new Lifetime(o.signal, () => this.#release());
    if (o.signal.aborted) this.#life.end(o.signal.reason);
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
    const stats = this.#inner.stats();
    return { ...stats, protocol: `tls+${stats.protocol}` };
  }

  setOptions(options: SocketOptions): string[] {
    return this.#inner.setOptions(options);
  }

  readNow(into: Uint8Array): number | null | undefined {
    return this.#attempt(() => {
      if (!this.#shake()) return undefined;
      for (;;) {
        const got = this.#session.read(into);
        if (got !== undefined) return got;
        this.#flush(); // answers to new keys
        if (!this.#pull()) return undefined;
      }
    });
  }

  onReadable(run: OnReady): void {
    if (this.#isOver || this.#isUp) return this.#inner.onReadable(run);
    this.#reader = run;
    this.#inner.onReadable(this.#onIncoming);
  }

  writeNow(bytes: Uint8Array): number {
    return this.#attempt(() => {
      if (!this.#shake()) return 0;
      let done = 0;
      while (done < bytes.length && this.#flush()) {
        const chunk = bytes.subarray(done, done + CHUNK);
        this.#session.write(chunk);
        done += chunk.length;
      }
      this.#flush();
      return done;
    });
  }

  onWritable(run: OnReady): void {
    if (this.#isOver) return this.#inner.onWritable(run);
    this.#writer = run;
    if (this.#isUp) this.#awaitRoom();
    else this.#inner.onReadable(this.#onIncoming);
  }

  closeWrite(closes = false): MaybePromise<void> {
    return this.#attempt(() => {
      if (!this.#isUp) return this.#inner.closeWrite(closes);
      this.#sayEnd();
      if (this.#flush()) return this.#inner.closeWrite(closes);
      this.#ending = Promise.withResolvers();
      return this.#ending.promise;
    });
  }

  reset(): void {
    this.#inner.reset();
    this.#life.end(closedHere());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#isUp && !this.#isOver) {
        this.#sayEnd();
        this.#flush();
      }
    } catch {
      // The connection is closed all the same.
    }
    await this.#inner[Symbol.asyncDispose]();
    this.#life.end(closedHere());
  }

  get #isOver(): boolean {
    return this.#life.isOver || this.#failure !== null;
  }

  /** Runs a step of the session; its failure is that of all later steps. */
  #attempt<T>(step: () => T): T {
    this.#life.check();
    if (this.#failure !== null) throw this.#failure.error;
    try {
      return step();
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  #fail(thrown: unknown): unknown {
    const error = tlsError(thrown, this.peer);
    if (error !== thrown) {
      try {
        this.#flush(); // tells the peer why (alert)
      } catch {
        // The connection is gone.
      }
    }
    this.#failure ??= { error };
    return this.#failure.error;
  }

  /** Goes on with the handshake; returns true when it is complete. */
  #shake(): boolean {
    while (!this.#isUp) {
      const isDone = this.#session.handshake();
      this.#flush();
      if (!isDone) {
        if (!this.#pull()) return false;
        continue;
      }
      this.#judge(this.#session);
      this.#isUp = true;
      // Whoever waits could miss it: what came with the handshake is read already.
      if (this.#reader !== null || this.#writer !== null) this.#awaitRoom();
    }
    return true;
  }

  /** Reads what has come from the peer; returns false if there is nothing. */
  #pull(): boolean {
    const got = this.#inner.readNow(INCOMING);
    if (got === undefined) return false;
    if (got === null) throw cutOff(this.peer);
    this.#session.give(INCOMING.subarray(0, got));
    return true;
  }

  /** Sends what there is; returns true if that is all. */
  #flush(): boolean {
    if (this.#unsent.length > 0) {
      const done = this.#inner.writeNow(this.#unsent);
      this.#unsent = this.#unsent.subarray(done);
    }
    while (this.#unsent.length === 0) {
      const size = this.#session.take(OUTGOING);
      if (size === 0) return true;
      const done = this.#inner.writeNow(OUTGOING.subarray(0, size));
      if (done < size) this.#unsent = OUTGOING.slice(done, size);
    }
    this.#awaitRoom();
    return false;
  }

  #awaitRoom(): void {
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    this.#inner.onWritable(this.#onRoom);
  }

  /** A handshake goes on, or there is a failure, which the callbacks' own calls show. */
  readonly #onIncoming = (): boolean => {
    try {
      if (!this.#attempt(() => this.#shake())) {
        this.#inner.onReadable(this.#onIncoming);
        return true;
      }
    } catch {
      // Shows in the callbacks' own calls.
    }
    return this.#wake();
  };

  readonly #onRoom = (): boolean => {
    this.#awaitsRoom = false;
    try {
      if (!this.#attempt(() => this.#flush())) return true;
      if (this.#ending !== null) {
        this.#inner.closeWrite();
        this.#ending.resolve();
        this.#ending = null;
      }
    } catch (error) {
      this.#ending?.reject(error);
      this.#ending = null;
    }
    return this.#wake();
  };

  #wake(): boolean {
    const waiting = [this.#reader, this.#writer];
    this.#reader = this.#writer = null;
    let isDone = true;
    for (const run of waiting) if (run !== null && run() !== true) isDone = false;
    return isDone;
  }

  #sayEnd(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#session.shutdown();
  }

  /** The stream is over: OpenSSL's memory goes, and whoever waits hears of it. */
  #release(): void {
    this.#session[Symbol.dispose]();
    this.#unsent = NOTHING;
    this.#ending?.reject(closedHere());
    this.#ending = null;
    queueMicrotask(() => void this.#wake());
  }
}
