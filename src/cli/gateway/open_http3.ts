import { sleep } from "../../app/loop/sleep.ts";
import { Quota } from "../../app/net/connection_quota.ts";
import type { HostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { Http3Connection, settingsStream } from "../../core/http/http3/connection.ts";
import { ErrorCode, HTTP3_PROTOCOL } from "../../core/http/http3/constants.ts";
import type { QuicHost } from "../../io/quic/quic_host.ts";
import {
  type PlainConnection,
  type PlainEvents,
  QuicPlainListener,
} from "../../io/quic/quic_plain_listener.ts";
import type { KeyPair } from "../../io/tls/named_contexts.ts";

/** Milliseconds between looks whether there is another certificate. */
const LOOK_MS = 30_000;
/** Milliseconds until a certificate that could not be had is asked for again. */
const RETRY_MS = 5_000;

/** How QUIC is used; windows are QUIC's own. */
const STREAMS = {
  greeting: settingsStream() as Uint8Array<ArrayBuffer>,
  most: 100,
  mostOneWay: 16,
  idleMs: 60_000,
  closeCode: ErrorCode.general,
} as const;

/** Streams that are open, each of which has memory before it has asked for anything. */
const MOST_STREAMS = { total: 4096, perAddress: 1024 };

export interface Http3Options {
  readonly quic: QuicHost;
  readonly at: HostPort;
  /** Returns the certificate of the apex and the names below it. @throws {TtunError}; its reason */
  readonly certificate: (cancel: AbortSignal) => Promise<KeyPair>;
  /** Serves one request's stream, which it owns. */
  readonly serve: (stream: Connection) => Promise<void>;
  /** Places of visitors' connections. */
  readonly places: Quota;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Nothing new is taken any more. */
  readonly draining: AbortSignal;
}

/** HTTP/3 of a gateway, on the UDP port of the same number as visitors' TCP port has. */
export class Http3Gateway implements AsyncDisposable {
  readonly #o: Http3Options;
  readonly #streams = new Quota(MOST_STREAMS);
  #listener: QuicPlainListener | null = null;
  #pair: KeyPair | null = null;

  constructor(o: Http3Options) {
    this.#o = o;
  }

  /** Visitors may be told of it. */
  get isOpen(): boolean {
    return this.#listener !== null && !this.#o.draining.aborted;
  }

  /** Keeps it open with the newest certificate, until nothing new is taken; then it goes on to wait. */
  async run(): Promise<never> {
    const { clock, signal, draining, log } = this.#o;
    for (let isFirst = true; !draining.aborted; isFirst = false) {
      try {
        await this.#renew();
      } catch (error) {
        signal.throwIfAborted();
        const { kind, message } = toTtunError(error);
        if (isFirst) log.warn("HTTP/3 is not there", { why: message });
        if (kind === "in_use" || kind === "privilege" || kind === "usage") break;
      }
      const ms = this.#listener === null ? RETRY_MS : LOOK_MS;
      // It ends at once where either aborts, which is looked at next.
      await sleep(clock, ms, AbortSignal.any([signal, draining])).catch(() => {});
      signal.throwIfAborted();
    }
    if (draining.aborted) await this[Symbol.asyncDispose]();
    return await new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
    });
  }

  async #renew(): Promise<void> {
    const { quic, at, certificate, log, signal } = this.#o;
    const pair = await certificate(signal);
    if (this.#listener !== null && pair.key === this.#pair?.key) return;
    await this[Symbol.asyncDispose]();
    this.#pair = pair;
    const cert = pair.certificates.join("\n");
    const protocol = { alpn: HTTP3_PROTOCOL, beside: 0, plain: STREAMS };
    this.#listener = new QuicPlainListener(quic, { at, cert, key: pair.key, protocol }, {
      ...{ log, signal },
      accept: (connection) => this.#accept(connection),
    });
  }

  #accept(connection: PlainConnection): PlainEvents | null {
    const { places, clock, serve, log, draining } = this.#o;
    const { remote } = connection;
    const place = places.take(remote, {
      account: "",
      lastActive: clock.now(),
      evict: () => connection.abort(),
    });
    if (place === null || draining.aborted) {
      place?.[Symbol.dispose]();
      return null;
    }
    const control = new Http3Connection(() => clock.now());
    /** Whoever breaks the protocol loses the connection. */
    const check = (run: () => void) => {
      try {
        run();
      } catch (error) {
        log.debug("A visitor's connection ends", { why: toTtunError(error).message });
        connection.abort();
      }
    };
    return {
      stream: (stream) => {
        const slot = this.#streams.take(remote, {
          account: "",
          lastActive: clock.now(),
          evict: () => stream.reset(),
        });
        if (slot === null) return stream.reset();
        serve(stream).catch((error) => {
          log.error("A visitor's request failed", { why: String(error) });
          startClose(stream);
        }).finally(() => slot[Symbol.dispose]());
      },
      oneWay: (id, bytes) => check(() => control.feed(id, bytes)),
      oneWayEnded: (id) => check(() => control.ended(id)),
      ended: () => place[Symbol.dispose](),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const listener = this.#listener;
    this.#listener = null;
    await listener?.[Symbol.asyncDispose]();
  }
}
