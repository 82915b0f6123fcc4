import { Duplex } from "node:stream";
import { connect, TLSSocket } from "node:tls";
import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { Lifetime, Waiter } from "../net/lifetime.ts";
import { closedHere } from "../net/net_errors.ts";
import { WriteBehind } from "../net/write_behind.ts";
import { cutOff, handshakeError } from "./tls_errors.ts";

/**
 * Bytes that may wait, encrypted or not; then no more are read. The library itself takes whatever it
 * is given.
 */
const MOST_WAITING = 1024 * 1024;

/** Encrypted bytes that are read at once. */
const CHUNK = 64 * 1024;

/** Milliseconds in which the peer's end of TLS is found behind that of the connection. */
const END_MS = 1000;

/** Milliseconds for what waits to be sent when the stream is closed. */
const LINGER_MS = 5000;

export interface NodeTlsOptions {
  readonly clock: Clock;
  /** The stream, which lives under it already, goes on to do that. */
  readonly signal: AbortSignal;
  /** PEM texts of a server; null = it is a client, which verifies no authority or name. */
  readonly own: { readonly cert: string; readonly key: string } | null;
  readonly timeoutMs: number;
  /** Makes the error when that time is over. */
  readonly late: () => Error;
  /** Judges the server's certificate (DER), at both ends. Returns what links are bound to. */
  readonly judge: (certificate: Uint8Array | null) => Uint8Array;
}

/**
 * TLS 1.2 or 1.3 on a connection by node:tls, where there is no OpenSSL: Deno's own TLS verifies
 * each certificate. Owns the connection. Not for a thread whose reactor blocks.
 * @throws {TtunError}
 */
export async function openNodeTls(stream: Connection, o: NodeTlsOptions): Promise<Connection> {
  await using opened = new AsyncDisposableStack();
  opened.use(stream);
  o.signal.throwIfAborted();
  const tls = opened.use(new NodeTlsStream(stream, o));
  await tls.secured;
  opened.move();
  return tls;
}

class NodeTlsStream implements Connection {
  readonly #inner: Connection;
  readonly #o: NodeTlsOptions;
  readonly #raw: Duplex;
  readonly #socket: TLSSocket;
  readonly #life: Lifetime;
  readonly #reader = new Waiter();
  readonly #writer = new Waiter();
  readonly #behind = new WriteBehind((bytes) => this.#write(bytes), this.#writer.wake);
  /** Waits until the connection has taken more. */
  readonly #onSent = new Waiter();
  #endTimer: Disposable | null = null;
  readonly #secured = Promise.withResolvers<void>();
  /** Decrypted bytes that nobody has read yet. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isSecure = false;
  #isReading = false;
  /** The peer has ended its way by TLS. */
  #hasEnd = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | null = null;
  binding: Uint8Array | undefined;

  constructor(inner: Connection, o: NodeTlsOptions) {
    this.#inner = inner;
    this.#o = o;
    this.#secured.promise.catch(() => {}); // whoever waits for it hears of it
    const raw = this.#raw = new Duplex({
      allowHalfOpen: true,
      read: () => this.#pull(),
      write: (chunk: Uint8Array, _: string, done: (error?: Error) => void) =>
        this.#send(chunk).then(() => {
          done();
          this.#onSent.wake();
        }, done),
      final: (done: () => void) => done(),
    });
    this.#life = new Lifetime(o.signal, () => this.#close());
    this.#socket = this.#open(raw);
    this.#listen();
    const late = o.clock.after(o.timeoutMs, () => this.#fail(o.late()));
    const settled = () => late[Symbol.dispose]();
    this.#secured.promise.then(settled, settled);
  }

  /** @throws {TtunError} system, where this Deno cannot do it */
  #open(raw: Duplex): TLSSocket {
    const { own } = this.#o;
    const how = { minVersion: "TLSv1.2", allowHalfOpen: true } as const;
    try {
      if (own === null) return connect({ ...how, socket: raw, rejectUnauthorized: false });
      return new TLSSocket(raw, { ...how, ...own, isServer: true });
    } catch (thrown) {
      throw cannot(thrown);
    }
  }

  #listen(): void {
    const socket = this.#socket;
    const { own } = this.#o;
    try {
      socket.on(own === null ? "secureConnect" : "secure", () => this.#secure());
      socket.on("error", (error) => this.#fail(this.#tlsError(error)));
      socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
      socket.on("end", () => {
        this.#hasEnd = true;
        this.#reader.wake();
      });
      this.#raw.on("error", (error) => this.#fail(error));
    } catch (thrown) {
      const error = cannot(thrown);
      this.#fail(error);
      throw error;
    }
  }

  get secured(): Promise<void> {
    return this.#secured.promise;
  }

  #secure(): void {
    if (this.#isSecure || this.#failure !== null) return;
    try {
      const { own, judge } = this.#o;
      const raw: unknown = own === null ? this.#socket.getPeerCertificate(true).raw : null;
      if (own === null && !(raw instanceof Uint8Array)) throw cannot(null);
      this.binding = judge(raw as Uint8Array | null);
      this.#isSecure = true;
      this.#secured.resolve();
    } catch (error) {
      this.#fail(error);
    }
  }

  #tlsError(error: Error): unknown {
    if (!this.#isSecure) return handshakeError(this.peer, error.message, error);
    const words = `Lost the connection with ${this.peer}: ${error.message}`;
    return new TtunError("lost", words, { cause: error });
  }

  /** The first failure is that of all later calls. */
  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#secured.reject(error);
    for (const waiter of [this.#reader, this.#writer, this.#onSent]) waiter.wakeSoon();
  }

  /** Reads encrypted bytes, as long as there is room for what is in them. */
  #pull(): void {
    const waiting = this.#waitingBytes + this.#raw.readableLength;
    if (this.#isReading || waiting >= MOST_WAITING || this.#life.isOver) return;
    this.#isReading = true;
    queueMicrotask(this.#onReadable);
  }

  readonly #onReadable = (): void => {
    if (this.#life.isOver || this.#failure !== null) return;
    const bytes = new Uint8Array(CHUNK);
    try {
      const got = this.#inner.readNow(bytes);
      if (got === undefined) return this.#inner.onReadable(this.#onReadable);
      if (got === null) return this.#endAll(); // and nothing is read any more
      this.#isReading = false;
      this.#raw.push(bytes.subarray(0, got));
    } catch (error) {
      this.#fail(error);
    }
  };

  /** Without the peer's end of TLS, which is read soon if it has come, bytes may be missing. */
  #endAll(): void {
    if (this.#hasEnd) return;
    this.#endTimer = this.#o.clock.after(END_MS, () => {
      if (!this.#hasEnd) this.#fail(cutOff(this.peer));
    });
  }

  #take(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#reader.wake();
  }

  /** Resolves when the connection has taken all. */
  async #send(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      rest = rest.subarray(this.#inner.writeNow(rest));
      if (rest.length > 0) await new Promise<void>((run) => this.#inner.onWritable(run));
    }
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

  #check(): void {
    this.#life.check();
    if (this.#failure !== null) throw this.#failure.error;
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#life.check();
    const first = this.#waiting[0];
    if (first !== undefined) {
      const part = first.subarray(0, into.length);
      into.set(part);
      if (part.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(part.length);
      this.#waitingBytes -= part.length;
      this.#pull();
      return part.length;
    }
    if (this.#hasEnd) return null;
    this.#check();
    return undefined;
  }

  onReadable(run: OnReady): void {
    this.#life.check();
    this.#reader.set(run);
    if (this.#waiting.length > 0 || this.#hasEnd || this.#failure !== null) {
      this.#reader.wakeSoon();
    }
  }

  writeNow(bytes: Uint8Array): number {
    this.#check();
    if (this.#hasEnded) throw new TtunError("lost", `Cannot write to ${this.peer}: it was ended`);
    return this.#behind.take(bytes);
  }

  onWritable(run: OnReady): void {
    this.#life.check();
    this.#writer.set(run);
    if (this.#behind.writing === null || this.#failure !== null) this.#writer.wakeSoon();
  }

  /** Resolves when the connection has taken all: the library keeps what it is given. */
  async #write(bytes: Uint8Array): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(this.#tlsError(error)) : resolve());
    });
    await this.#sent();
    return bytes.length;
  }

  async #sent(): Promise<void> {
    while (this.#raw.writableLength > 0 && !this.#life.isOver && this.#failure === null) {
      await new Promise<void>((resolve) => this.#onSent.set(resolve));
    }
    this.#check();
  }

  async closeWrite(): Promise<void> {
    this.#check();
    this.#hasEnded = true;
    await this.#behind.writing;
    this.#behind.check();
    await new Promise<void>((resolve) => this.#socket.end(resolve));
    await this.#sent();
    await this.#inner.closeWrite();
  }

  reset(): void {
    this.#inner.reset();
    this.#life.end(closedHere());
  }

  #close(): void {
    this.#secured.reject(closedHere());
    this.#endTimer?.[Symbol.dispose]();
    for (const waiter of [this.#reader, this.#writer, this.#onSent]) waiter.wakeSoon();
    this.#waiting = [];
    this.#socket?.destroy();
    this.#raw.destroy();
    startClose(this.#inner);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.isOver && this.#failure === null && !this.#hasEnded) {
      const { promise, resolve } = Promise.withResolvers<void>();
      using _timer = this.#o.clock.after(LINGER_MS, resolve);
      // The connection may be gone.
      await Promise.race([this.closeWrite().catch(() => {}), promise]);
    }
    this.#life.end(closedHere());
    await this.#inner[Symbol.asyncDispose]();
  }
}

/**
 * Tries what older versions of Deno cannot do (2.4): there a rejection that nobody sees is what tells.
 * To be called while nothing else runs. @throws {TtunError} system
 */
export async function requireNodeTls(): Promise<void> {
  let failure: unknown = null;
  const onRejection = (event: PromiseRejectionEvent) => {
    failure = event.reason;
    event.preventDefault();
  };
  const raw = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  addEventListener("unhandledrejection", onRejection);
  try {
    const socket = connect({ socket: raw, rejectUnauthorized: false });
    socket.on("error", () => {}); // its end is no failure
    socket.on("data", () => {});
    await new Promise((resolve) => setTimeout(resolve, 0));
    socket.destroy();
  } catch (error) {
    failure = error;
  } finally {
    removeEventListener("unhandledrejection", onRejection);
    raw.destroy();
  }
  if (failure !== null) throw cannot(failure);
}

function cannot(cause: unknown): TtunError {
  const words = `Cannot use TLS: OpenSSL 3 is missing, and Deno ${Deno.version.deno} cannot do ` +
    "without; install OpenSSL 3, or give both ends a key and --wire v2";
  return new TtunError("system", words, { cause });
}
