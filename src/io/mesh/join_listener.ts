import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
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
  /** Serves one connection, which is closed afterwards. */
  readonly serve: (messages: TlsMessages, signal: AbortSignal) => Promise<void>;
}

/** Connections at once; strangers can open these. */
const MOST_CONNECTIONS = 64;

/** Milliseconds for a connection, its handshake included. */
const DEADLINE = 15_000;

/** Listens for nodes that join, by TLS. @throws {TtunError} in_use, privilege */
export class JoinListener implements AsyncDisposable {
  readonly address: HostPort;
  readonly #o: JoinListenerOptions;
  readonly #listener: Deno.TlsListener;
  readonly #said: RateLimitedLog;
  readonly #open = new Set<Promise<void>>();
  readonly #stop = new AbortController();
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
    using _closing = onAbort(signal, () => this.#listener.close());
    while (!signal.aborted) {
      let conn: Deno.TlsConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (signal.aborted || error instanceof Deno.errors.BadResource) return;
        continue; // that connection has gone before it was accepted
      }
      if (this.#open.size >= MOST_CONNECTIONS) {
        conn.close();
        this.#said.warn("Too many connections of joining nodes", { open: MOST_CONNECTIONS });
        continue;
      }
      const serving = this.#serve(conn, signal).finally(() => this.#open.delete(serving));
      this.#open.add(serving);
    }
  }

  /** Never rejects. */
  async #serve(conn: Deno.TlsConn, life: AbortSignal): Promise<void> {
    const late = new AbortController();
    using messages = new TlsMessages(conn, this.#o.mostBytes);
    using _deadline = this.#o.clock.after(DEADLINE, () => late.abort());
    const signal = AbortSignal.any([life, late.signal]);
    using _closing = onAbort(signal, () => messages[Symbol.dispose]());
    try {
      const { alpnProtocol } = await conn.handshake();
      if (alpnProtocol !== this.#o.protocol) return;
      await this.#o.serve(messages, signal);
    } catch (error) {
      if (life.aborted) return;
      const { hostname: host, port } = conn.remoteAddr;
      const why = error instanceof Error ? error.message : String(error);
      this.#said.warn("A connection of a joining node failed", {
        peer: formatAddr({ host, port }),
        why,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#accepting;
    await Promise.all(this.#open);
  }
}
