import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection, ConnectionStats, SocketOptions } from "../../contract/connection.ts";
import type { Dialer, DialOptions, Listener } from "../../contract/dial.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { zoneOf } from "../../base/zone.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { disconnect, tryLocalAddr, tryRemoteAddr } from "../../../ffi/linux/socket.ts";
import { setSocketOptions } from "../../../ffi/linux/socket_options.ts";
import { connectionStats } from "../../../ffi/linux/socket_stats.ts";
import { isLookupFailure, systemError } from "../deno_errors.ts";
import { findSocket } from "./find_socket.ts";
import { netError } from "./net_errors.ts";
import { DialDeadline } from "./dial_deadline.ts";

/**
 * TCP on Deno's own sockets: works everywhere, without FFI. With a libc, options and statistics
 * that Deno does not offer are accessed through the descriptor; without one, `setOptions` returns the
 * names of those options.
 */
export class DenoNet implements Dialer {
  readonly #libc: Libc | null;

  constructor(libc: Libc | null) {
    this.#libc = libc;
  }

  async dial(to: Addr, o: DialOptions): Promise<Connection> {
    o.signal.throwIfAborted();
    o.cancel?.throwIfAborted();
    const { host, port } = hostPort(to);
    using patience = new DialDeadline(to, o);
    try {
      const conn = await Deno.connect({ hostname: host, port, signal: patience.signal });
      return new DenoStream(conn, this.#libc, o.signal, zoneOf(host));
    } catch (thrown) {
      patience.check();
      o.signal.throwIfAborted();
      o.cancel?.throwIfAborted();
      throw translate(thrown, "connect", to);
    }
  }

  /**
   * Listens on an address; host "" means all addresses.
   * @throws {TtunError} in_use, privilege, usage
   */
  listen(at: Addr, o: { signal: AbortSignal }): Listener {
    o.signal.throwIfAborted();
    const { host, port } = hostPort(at);
    try {
      return new DenoListener(listenOn(host, port), this.#libc, o.signal, zoneOf(host));
    } catch (thrown) {
      throw translate(thrown, "listen", at);
    }
  }
}

/** Most ports to try when the port that Deno chose is taken in the other address family. */
const FREE_PORT_TRIES = 8;

/**
 * Listens on all addresses: IPv6 and IPv4 on one socket; on two sockets if the kernel separates
 * the families (net.ipv6.bindv6only, Windows); IPv4 only if there is no IPv6. Deno cannot set
 * IPV6_V6ONLY, so the case is found out by what can be bound together.
 */
function listenOn(host: string, port: number): Deno.TcpListener[] {
  if (host !== "" && host !== "::") return [Deno.listen({ hostname: host, port })];
  for (let tries = 1;; tries++) {
    const v4 = Deno.listen({ hostname: "0.0.0.0", port });
    try {
      return [v4, Deno.listen({ hostname: "::", port: v4.addr.port })];
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) return [v4];
    }
    v4.close();
    try {
      return [Deno.listen({ hostname: "::", port: v4.addr.port })];
    } catch (error) {
      const isTaken = error instanceof Deno.errors.AddrInUse;
      if (!isTaken || port !== 0 || tries === FREE_PORT_TRIES) throw error;
    }
  }
}

function hostPort(addr: Addr): { host: string; port: number } {
  if ("path" in addr) throw new TtunError("system", "Cannot use a unix socket here");
  return addr;
}

/** Converts an error of Deno's, so that both stacks report errors through `netError`. */
function translate(
  thrown: unknown,
  doing: "connect" | "listen" | "accept" | "stream",
  at: Addr,
): unknown {
  if (!isLookupFailure(thrown)) return netError(systemError(thrown, doing) ?? thrown, doing, at);
  // An address with a zone is only resolved for its interface.
  if ("host" in at && zoneOf(at.host) !== null) {
    return netError(new NativeError(doing, Errno.ENODEV), doing, at);
  }
  return new TtunError(
    "name",
    `Cannot resolve ${formatAddr(at)}: no such host name, or no name server answers`,
    { cause: thrown },
  );
}

class DenoListener implements Listener {
  readonly addr: Addr;
  readonly #listeners: readonly Deno.TcpListener[];
  readonly #libc: Libc | null;
  readonly #zone: string | null;
  readonly #life: Lifetime;
  /**
   * The pending accept of each listener. Deno allows one accept at a time per listener and cannot
   * cancel it, so its result is kept for the next caller.
   */
  readonly #accepting: (Promise<Accepted> | null)[];

  /** All listeners have the same port; there is one or one for each address family. */
  constructor(
    listeners: readonly Deno.TcpListener[],
    libc: Libc | null,
    signal: AbortSignal,
    zone: string | null,
  ) {
    this.#listeners = listeners;
    this.#zone = zone;
    this.#libc = libc;
    this.#accepting = listeners.map(() => null);
    const { hostname, port } = listeners.at(-1)!.addr; // "::" if there are both families
    this.addr = { host: inZone(hostname, zone), port };
    this.#life = new Lifetime(signal, () => this.#close());
  }

  async accept(o: { signal: AbortSignal }): Promise<Connection> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    using _tie = onAbort(o.signal, reject);
    aborted.catch(() => {}); // an abort between two waits is seen by the check before the next
    for (;;) {
      this.#life.check();
      o.signal.throwIfAborted();
      const waits = this.#listeners.map((_, i) => this.#accepting[i] ??= this.#acceptOn(i));
      let first: Accepted;
      try {
        first = await Promise.race([...waits, aborted]);
      } catch (thrown) {
        this.#life.check();
        throw thrown;
      }
      // by another caller of accept()
      const isTaken = this.#accepting[first.from] !== waits[first.from];
      if (this.#life.isOver || o.signal.aborted || isTaken) continue;
      this.#accepting[first.from] = null;
      if ("conn" in first) return new DenoStream(first.conn, this.#libc, o.signal, this.#zone);
      if (!isPassing(first.error)) throw translate(first.error, "accept", this.addr);
    }
  }

  #acceptOn(from: number): Promise<Accepted> {
    return this.#listeners[from]!.accept().then(
      (conn) => ({ from, conn }),
      (error) => ({ from, error }),
    );
  }

  #close(): void {
    for (const listener of this.#listeners) listener.close();
    for (const accepting of this.#accepting) {
      // Never rejects: `#acceptOn` gives an error as a value.
      void accepting?.then((accepted) => {
        if ("conn" in accepted) accepted.conn.close();
      });
    }
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(new TtunError("lost", "Cannot accept: the listener has been closed"));
  }
}

/** The result of an accept, with the index of its listener. */
type Accepted = { from: number } & ({ conn: Deno.TcpConn } | { error: unknown });

/**
 * Bounds of the read-ahead buffer in bytes: small for an idle connection, large for a bulk
 * transfer to save calls.
 */
const LEAST_AHEAD = 4 * 1024;
const MOST_AHEAD = 256 * 1024;

/** A read that was started before a caller supplied a buffer; holds its result. */
class ReadAhead {
  readonly #bytes: Uint8Array;
  readonly settled: Promise<void>;
  #outcome: { got: number | null } | { error: unknown } | null = null;
  #taken = 0;

  constructor(size: number, read: (into: Uint8Array) => Promise<number | null>) {
    this.#bytes = new Uint8Array(size);
    this.settled = read(this.#bytes).then(
      (got) => void (this.#outcome = { got }),
      (error) => void (this.#outcome = { error }),
    );
  }

  get isOver(): boolean {
    return this.#outcome !== null;
  }

  /** Size of the next read-ahead buffer in bytes, adapted to the amount that arrived. */
  get nextSize(): number {
    const size = this.#bytes.length;
    const got = this.#length;
    if (got === size) return Math.min(2 * size, MOST_AHEAD);
    return got < size / 4 ? Math.max(size / 2, LEAST_AHEAD) : size;
  }

  get #length(): number {
    return this.#outcome !== null && "got" in this.#outcome ? this.#outcome.got ?? 0 : 0;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#length;
  }

  /**
   * Takes bytes; valid only once `isOver`.
   * @throws the error of the read
   */
  take(into: Uint8Array): number | null {
    const outcome = this.#outcome!;
    if ("error" in outcome) throw outcome.error;
    if (outcome.got === null) return null;
    const part = this.#bytes.subarray(
      this.#taken,
      Math.min(this.#taken + into.length, outcome.got),
    );
    into.set(part);
    this.#taken += part.length;
    return part.length;
  }
}

class DenoStream implements Connection {
  readonly local: Addr;
  readonly remote: Addr;
  readonly #conn: Deno.TcpConn;
  readonly #libc: Libc | null;
  readonly #life: Lifetime;
  /** The descriptor behind the connection; null = not found, undefined = not yet looked up. */
  #fd: number | null | undefined;
  #ahead: ReadAhead | null = null;
  #aheadSize = LEAST_AHEAD;

  /** `zone`: that of link-local addresses, if known. */
  constructor(
    conn: Deno.TcpConn,
    libc: Libc | null,
    signal: AbortSignal,
    zone: string | null,
  ) {
    this.#conn = conn;
    this.#libc = libc;
    this.local = unmapped(conn.localAddr, zone);
    this.remote = unmapped(conn.remoteAddr, zone);
    const hasNoZone = zone === null && isLinkLocalText(conn.remoteAddr.hostname);
    const fd = hasNoZone ? this.#descriptor() : null;
    if (fd !== null) {
      this.local = tryLocalAddr(libc!, fd) ?? this.local;
      this.remote = tryRemoteAddr(libc!, fd) ?? this.remote;
    }
    this.#life = new Lifetime(signal, () => conn.close());
    if (signal.aborted) this.#life.check();
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  read(into: Uint8Array): MaybePromise<number | null> {
    if (this.#ahead !== null) {
      const got = this.readNow(into);
      return got === undefined ? this.#ahead.settled.then(() => this.read(into)) : got;
    }
    return this.#read(into);
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#life.check();
    const ahead = this.#ahead;
    if (ahead === null || !ahead.isOver) return undefined;
    const got = ahead.take(into);
    if (ahead.isEmpty) this.#ahead = null;
    return got;
  }

  /** Deno has no readiness events, so this starts a read whose bytes are kept for `readNow`. */
  onReadable(run: OnReady): void {
    this.#life.check();
    this.#ahead ??= new ReadAhead(this.#aheadSize, (bytes) => this.#read(bytes));
    const ahead = this.#ahead;
    // `settled` never rejects, and `run` must not throw.
    void ahead.settled.then(() => {
      this.#aheadSize = ahead.nextSize;
      run();
    });
  }

  readable(): Promise<void> {
    return new Promise((resolve) => this.onReadable(resolve));
  }

  async #read(into: Uint8Array): Promise<number | null> {
    this.#life.check();
    try {
      const got = await this.#conn.read(into);
      this.#life.check(); // a close at this end must not look like the peer's
      return got;
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  /** Always 0: Deno has no non-blocking write. */
  writeNow(_bytes: Uint8Array): number {
    this.#life.check();
    return 0;
  }

  async write(all: Uint8Array): Promise<void> {
    for (let done = 0; done < all.length;) {
      this.#life.check();
      try {
        done += await this.#conn.write(done === 0 ? all : all.subarray(done));
      } catch (thrown) {
        throw this.#fail(thrown);
      }
    }
  }

  async closeWrite(): Promise<void> {
    this.#life.check();
    try {
      await this.#conn.closeWrite();
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  /**
   * Sends RST through the descriptor; without one this is an ordinary close, as Deno cannot reset.
   */
  reset(): void {
    const fd = this.#life.isOver ? null : this.#descriptor();
    if (fd !== null) disconnect(this.#libc!, fd);
    this.#life.end(closedHere());
  }

  stats(): ConnectionStats {
    if (this.#life.isOver) return { protocol: "tcp", peerClosed: true };
    const fd = this.#descriptor();
    return fd === null ? { protocol: "tcp" } : connectionStats(this.#libc!, fd);
  }

  setOptions(options: SocketOptions): string[] {
    this.#life.check();
    const fd = this.#descriptor();
    if (fd !== null) return setSocketOptions(this.#libc!, fd, options);
    if (options.noDelay !== undefined) this.#conn.setNoDelay(options.noDelay);
    if (options.keepAliveSeconds !== undefined) this.#conn.setKeepAlive(true);
    return Object.entries(DESCRIPTOR_ONLY)
      .filter(([, option]) => options[option] !== undefined)
      .map(([name]) => name);
  }

  #descriptor(): number | null {
    if (this.#fd === undefined) {
      this.#fd = this.#libc === null ? null : findSocket(this.#libc, this.#conn);
    }
    return this.#fd;
  }

  #fail(thrown: unknown): unknown {
    this.#life.check();
    return translate(thrown, "stream", this.remote);
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(closedHere());
  }
}

/** Options that Deno has no call for. Without the descriptor, keepalive starts after two hours. */
const DESCRIPTOR_ONLY = {
  TCP_KEEPIDLE: "keepAliveSeconds",
  TCP_KEEPINTVL: "keepAliveSeconds",
  TCP_USER_TIMEOUT: "userTimeoutMs",
  TCP_RTO_MAX_MS: "maxRetransmitPauseMs",
} as const satisfies Record<string, keyof SocketOptions>;

/** Closes once, by a call or by the signal's abort; afterwards `check` throws that reason. */
class Lifetime {
  readonly #close: () => void;
  readonly #registration: Disposable;
  #over: { reason: unknown } | null = null;

  constructor(signal: AbortSignal, close: () => void) {
    this.#close = close;
    this.#registration = onAbort(signal, (reason) => this.end(reason));
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  check(): void {
    if (this.#over !== null) throw this.#over.reason;
  }

  end(reason: unknown): void {
    if (this.#over !== null) return;
    this.#over = { reason };
    this.#registration?.[Symbol.dispose](); // absent if the signal was aborted already
    this.#close();
  }
}

/**
 * Converts an IPv4-mapped peer of a dual-stack listener to IPv4, and adds the zone if link-local.
 */
function unmapped(addr: Deno.NetAddr, zone: string | null): Addr {
  const host = addr.hostname.replace(/^::ffff:(?=\d+\.)/i, "");
  return { host: inZone(host, zone), port: addr.port };
}

/** Adds the zone to a link-local address, since Deno does not report zones. */
function inZone(host: string, zone: string | null): string {
  return zone !== null && isLinkLocalText(host) ? `${host}%${zone}` : host;
}

function isLinkLocalText(host: string): boolean {
  return /^fe[89ab]/i.test(host);
}

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}

/** Errors of a connection that was reset before it was accepted; the listener is still sound. */
function isPassing(thrown: unknown): boolean {
  const error = systemError(thrown, "accept");
  return error?.is("EPROTO", "ECONNABORTED", "ECONNRESET", "ENOTCONN") === true;
}
