import { type Addr, formatAddr } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { congestionOf } from "../../../ffi/linux/congestion.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { disconnect, tryLocalAddr, tryRemoteAddr } from "../../../ffi/linux/socket.ts";
import { setSocketOptions } from "../../../ffi/linux/socket_options.ts";
import { connectionStats } from "../../../ffi/linux/socket_stats.ts";
import { NativeError } from "../../../ffi/native.ts";
import { denoNetError } from "./deno_net_error.ts";
import { findSocket } from "./find_socket.ts";
import { Lifetime, Waiter } from "./lifetime.ts";
import { closedHere, netError } from "./net_errors.ts";
import { LEAST_AHEAD, ReadAhead } from "./read_ahead.ts";
import { WriteBehind } from "./write_behind.ts";

/** Longest time in milliseconds that a close waits for earlier writes. */
const LINGER_MS = 5000;

/** A TLS connection of Deno's has no options of TCP. */
export type DenoConn = Deno.TcpConn | Deno.TlsConn;

/**
 * Deno has no readiness events: a read begins before a caller has a buffer for it, and a write ends
 * after the caller's.
 */
export class DenoStream implements Connection {
  readonly local: Addr;
  readonly remote: Addr;
  readonly #conn: DenoConn;
  readonly #libc: Libc | null;
  readonly #life: Lifetime;
  readonly #reader = new Waiter();
  readonly #writer = new Waiter();
  readonly #behind = new WriteBehind((bytes) => this.#write(bytes), this.#writer.wake);
  /** The descriptor; null = not found, undefined = not yet looked up. */
  #fd: number | null | undefined;
  #ahead: ReadAhead | null = null;
  #aheadSize = LEAST_AHEAD;
  /** The buffer of the last read, which the next one takes: most reads have its size. */
  #spare: Uint8Array | null = null;
  #hasEnded = false;

  /** `zone` is that of link-local addresses, if known. */
  constructor(
    conn: DenoConn,
    libc: Libc | null,
    signal: AbortSignal,
    zone: string | null,
  ) {
    this.#conn = conn;
    if ("setNoDelay" in conn) conn.setNoDelay();
    this.#libc = libc;
    this.local = unmapped(conn.localAddr, zone);
    this.remote = unmapped(conn.remoteAddr, zone);
    const hasNoZone = zone === null && isLinkLocalText(conn.remoteAddr.hostname);
    const fd = hasNoZone ? this.#descriptor() : null;
    if (fd !== null) {
      this.local = tryLocalAddr(libc!, fd) ?? this.local;
      this.remote = tryRemoteAddr(libc!, fd) ?? this.remote;
    }
    this.#life = new Lifetime(signal, () => this.#close());
    if (signal.aborted) this.#life.check();
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#life.check();
    const ahead = this.#ahead;
    if (ahead === null || !ahead.isOver) return undefined;
    const got = this.#take(ahead, into);
    if (ahead.isEmpty) {
      this.#ahead = null;
      this.#spare = ahead.spare;
    }
    return got;
  }

  /** Starts a read, whose bytes are kept for `readNow`. */
  onReadable(run: OnReady): void {
    this.#life.check();
    this.#reader.set(run);
    if (this.#ahead !== null) {
      if (this.#ahead.isOver) this.#reader.wakeSoon();
      return;
    }
    this.#ahead = new ReadAhead(this.#aheadSize, this.#read, this.#onRead, this.#spare);
  }

  readonly #read = (into: Uint8Array) => this.#conn.read(into);

  /** `run` must not throw. */
  readonly #onRead = (): void => {
    this.#aheadSize = this.#ahead!.nextSize;
    this.#reader.wake();
  };

  /** A close at this end, which must not look like the peer's, was looked for before. */
  #take(ahead: ReadAhead, into: Uint8Array): number | null {
    try {
      return ahead.take(into);
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  writeNow(bytes: Uint8Array): number {
    this.#life.check();
    if (this.#hasEnded) {
      throw netError(new NativeError("send", Errno.EPIPE), "stream", this.remote);
    }
    return this.#behind.take(bytes);
  }

  onWritable(run: OnReady): void {
    this.#life.check();
    this.#writer.set(run);
    if (this.#behind.writing === null) this.#writer.wakeSoon();
  }

  async #write(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#conn.write(bytes);
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  async closeWrite(): Promise<void> {
    this.#life.check();
    this.#hasEnded = true;
    await this.#behind.writing;
    this.#life.check();
    this.#behind.check();
    try {
      await this.#conn.closeWrite();
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  /** Closes in the ordinary way without a descriptor, as Deno cannot reset. */
  reset(): void {
    const fd = this.#life.isOver ? null : this.#descriptor();
    if (fd !== null) disconnect(this.#libc!, fd);
    this.#life.end(closedHere());
  }

  stats(): ConnectionStats {
    if (this.#life.isOver) return { protocol: "tcp", peerClosed: true };
    const fd = this.#descriptor();
    if (fd === null) return { protocol: "tcp" };
    const stats = connectionStats(this.#libc!, fd);
    if (stats.isDelivered === true && stats.isGone !== true && this.#behind.writing !== null) {
      stats.isDelivered = false;
    }
    return stats;
  }

  get congestion(): string {
    const fd = this.#life.isOver ? null : this.#descriptor();
    return fd === null ? "" : congestionOf(this.#libc!, fd);
  }

  setOptions(options: SocketOptions): string[] {
    this.#life.check();
    const fd = this.#descriptor();
    if (fd !== null) return setSocketOptions(this.#libc!, fd, options);
    if ("setNoDelay" in this.#conn) {
      if (options.noDelay !== undefined) this.#conn.setNoDelay(options.noDelay);
      if (options.keepAliveSeconds !== undefined) this.#conn.setKeepAlive(true);
    }
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
    return denoNetError(thrown, "stream", this.remote);
  }

  /** Closes behind earlier writes, as a kernel does. */
  #close(): void {
    this.#reader.wakeSoon();
    this.#writer.wakeSoon();
    const { writing } = this.#behind;
    if (writing === null) return this.#conn.close();
    let isOpen = true;
    const close = () => {
      clearTimeout(timer);
      if (isOpen) this.#conn.close();
      isOpen = false;
    };
    const timer = setTimeout(close, LINGER_MS);
    void writing.then(close); // never rejects
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(closedHere());
  }
}

/** Options that Deno has no call for. Without a descriptor, keepalive starts after two hours. */
const DESCRIPTOR_ONLY = {
  TCP_KEEPIDLE: "keepAliveSeconds",
  TCP_KEEPINTVL: "keepAliveSeconds",
  TCP_USER_TIMEOUT: "userTimeoutMs",
  TCP_RTO_MAX_MS: "maxRetransmitPauseMs",
  TCP_CONGESTION: "congestion",
} as const satisfies Record<string, keyof SocketOptions>;

function unmapped(addr: Deno.NetAddr, zone: string | null): Addr {
  const host = addr.hostname.replace(/^::ffff:(?=\d+\.)/i, "");
  return { host: inZone(host, zone), port: addr.port };
}

/** Deno does not report the zone of a link-local address. */
export function inZone(host: string, zone: string | null): string {
  return zone !== null && isLinkLocalText(host) ? `${host}%${zone}` : host;
}

function isLinkLocalText(host: string): boolean {
  return /^fe[89ab]/i.test(host);
}
