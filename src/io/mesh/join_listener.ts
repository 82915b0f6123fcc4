import type { Addr, HostPort } from "../../base/addr.ts";
import { formatAddr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { findSocket } from "../net/find_socket.ts";
import { denoNetError } from "../net/deno_net_error.ts";
import { TlsMessages } from "./tls_messages.ts";

export interface JoinListenerOptions {
  readonly at: HostPort;
  /** In PEM, of the node. */
  readonly cert: string;
  readonly key: string;
  /** Name in ALPN. */
  readonly protocol: string;
  /** Bytes of the longest message. */
  readonly mostBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Cuts connections whose handshake does not end, which Deno keeps open; null = they stay there. */
  readonly libc: Libc | null;
  /** Counts a connection until the result is disposed of; `drop` closes it where others need its place. */
  readonly places: { add(from: Addr, drop: () => void): Disposable };
  /** Begins to serve a connection, which is closed after the answer. */
  readonly greet: () => JoinVisit;
}

/** One connection: this end speaks first, the other one asks, and is answered. */
export interface JoinVisit {
  readonly greeting: Uint8Array;
  readonly answer: (request: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
}

/** Of sys/socket.h. */
const SHUT_RDWR = 2;

/** Milliseconds until the request is there, the handshake included, and until the answer is. */
const REQUEST_MS = 5_000;
const ANSWER_MS = 20_000;

/** Listens for nodes that join, by TLS. @throws {TtunError} in_use, privilege */
export class JoinListener implements AsyncDisposable {
  readonly address: HostPort;
  readonly #o: JoinListenerOptions;
  readonly #listener: Deno.TlsListener;
  readonly #said: RateLimitedLog;
  readonly #open = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #retired = new AbortController();
  readonly #accepting: Promise<void>;

  constructor(o: JoinListenerOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
    const { host, port } = o.at;
    const hostname = host === "" ? "0.0.0.0" : host;
    try {
      const { cert, key, protocol } = o;
      this.#listener = Deno.listenTls({ hostname, port, cert, key, alpnProtocols: [protocol] });
    } catch (error) {
      throw denoNetError(error, "listen", { host: hostname, port });
    }
    const { hostname: at, port: taken } = this.#listener.addr;
    this.address = { host: at, port: taken };
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    const signal = AbortSignal.any([this.#o.signal, this.#stop.signal]);
    const listening = AbortSignal.any([signal, this.#retired.signal]);
    using _closing = onAbort(listening, () => this.#listener.close());
    while (!listening.aborted) {
      let conn: Deno.TlsConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (listening.aborted || error instanceof Deno.errors.BadResource) return;
        continue; // that connection has gone before it was accepted
      }
      const serving = this.#serve(conn, signal).finally(() => this.#open.delete(serving));
      this.#open.add(serving);
    }
  }

  /** Never rejects. */
  async #serve(conn: Deno.TlsConn, life: AbortSignal): Promise<void> {
    const { clock, places, protocol, mostBytes, greet } = this.#o;
    const { hostname: host, port } = conn.remoteAddr;
    const from = { host, port };
    const end = new AbortController();
    const signal = AbortSignal.any([life, end.signal]);
    using messages = new TlsMessages(conn, mostBytes);
    let isOpen = false;
    using _closing = onAbort(signal, () => {
      if (!isOpen) this.#cut(conn);
      messages[Symbol.dispose]();
    });
    using _place = places.add(from, () => {
      this.#said.warn("Too many connections of joining nodes", { closed: formatAddr(from) });
      end.abort();
    });
    using _late = clock.after(ANSWER_MS, () => end.abort());
    let isServed = false;
    try {
      const { greeting, answer } = greet();
      let request: Uint8Array;
      {
        using _silent = clock.after(REQUEST_MS, () => end.abort());
        const { alpnProtocol } = await conn.handshake();
        isOpen = true;
        if (alpnProtocol !== protocol) return;
        await messages.write(greeting);
        request = await messages.read();
      }
      isServed = true;
      await messages.write(await answer(request, signal));
    } catch (error) {
      if (life.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      const line = { peer: formatAddr(from), why };
      // An end with an invite first asks for certificates alone, by a connection that it leaves.
      if (isServed) this.#said.warn("A connection of a joining node failed", line);
      else this.#o.log.debug("A connection of a joining node ended before its request", line);
    }
  }

  /** Deno gives up a handshake, but not the socket, until the other end closes it. */
  #cut(conn: Deno.TlsConn): void {
    const { libc } = this.#o;
    const fd = libc === null ? null : findSocket(libc, conn);
    if (fd !== null) libc?.shutdown(fd, SHUT_RDWR);
  }

  /** Takes no connection from now on; those that there are go on. Resolves when the port is free. */
  async retire(): Promise<void> {
    this.#retired.abort();
    await this.#accepting;
  }

  /** Resolves when no connection is open; after `retire` there will be no other. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#open);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#accepting;
    await Promise.all(this.#open);
  }
}
