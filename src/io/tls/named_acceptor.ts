import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";
import { runHandshake } from "./tls_handshake.ts";
import { TlsPipe } from "./tls_pipe.ts";
import { TlsStream } from "./tls_stream.ts";

/** The wishes of a client before anything is chosen. */
export interface TlsWish {
  /** In lower case; null = it names none. */
  readonly name: string | null;
  /** Names of ALPN, the best first. */
  readonly protocols: readonly string[];
  /** It speaks TLS 1.3: another gets no ticket, whose keys would open what was said before. */
  readonly isRecent: boolean;
  /** First bytes of the ticket that it wants to resume; null = it has none. */
  readonly ticket: Uint8Array | null;
}

export interface TlsArrival {
  readonly stream: Connection;
  readonly name: string | null;
  /** Protocol that both ends have agreed on (ALPN); null = the client offers none. */
  readonly protocol: string | null;
}

/** Takes a connection whose TLS ends elsewhere, with the bytes that were read of it. Owns it. */
export type TakeConnection = (inner: Connection, hello: Uint8Array) => void;

export interface NamedAcceptorOptions {
  /** Reads the first bytes of a connection; `more` and `invalid` as core/gateway/client_hello.ts. */
  readonly readHello: (bytes: Uint8Array) => TlsWish | "more" | "invalid";
  /** Bytes of the longest ClientHello. */
  readonly mostHello: number;
  /**
   * Returns the context for a client, or what takes its connection as it is; null = it is refused, as
   * there is nothing for the name. It may take its time.
   */
  readonly choose: (
    wish: TlsWish,
    client: Connection,
    signal: AbortSignal,
  ) => Promise<TlsContext | TakeConnection | null>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds from a connection's beginning to the end of its handshake. */
const DEADLINE_MS = 15_000;

/** Handshakes at once, each of which takes up to 60 KiB; one more ends the oldest. */
const MOST_HANDSHAKES = 512;

/** Bytes that are read at first: more than all usual hellos have. */
const FIRST_READ = 2048;

/** TLS alerts, fatal (RFC 8446 section 6): unrecognized_name, decode_error. */
const NO_SUCH_NAME = Uint8Array.of(21, 3, 3, 0, 2, 2, 112);
const DECODE_ERROR = Uint8Array.of(21, 3, 3, 0, 2, 2, 50);

/** Runs the TLS handshakes of a server with many names, whose certificates are chosen by name. */
export class NamedAcceptor {
  readonly #o: NamedAcceptorOptions;
  readonly #said: RateLimitedLog;
  /** Handshakes, the oldest first. */
  readonly #handshakes = new Set<AbortController>();

  constructor(o: NamedAcceptorOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
  }

  /** Handshakes that have begun and not ended. */
  get pending(): number {
    return this.#handshakes.size;
  }

  /** Ends the oldest handshake when descriptors run out; returns false if there is none. */
  endOldest(): boolean {
    for (const stop of this.#handshakes) {
      this.#handshakes.delete(stop);
      stop.abort(new TtunError("busy", "It is the oldest of too many handshakes"));
      return true;
    }
    return false;
  }

  /**
   * Owns the connection, which lives under `signal`. Returns null for one that came to nothing. Never
   * rejects.
   */
  async accept(inner: Connection, signal: AbortSignal): Promise<TlsArrival | null> {
    if (this.#handshakes.size >= MOST_HANDSHAKES) this.endOldest();
    const stop = new AbortController();
    this.#handshakes.add(stop);
    const cut = () => inner.reset(); // whoever waits for its bytes hears of it
    stop.signal.addEventListener("abort", cut, { once: true });
    using _deadline = this.#o.clock.after(DEADLINE_MS, () => {
      stop.abort(new TtunError("timeout", "It did not end its handshake in time"));
    });
    const { peer } = inner;
    try {
      const arrival = await this.#shake(inner, signal, stop.signal);
      stop.signal.throwIfAborted();
      return arrival;
    } catch (thrown) {
      startClose(inner);
      if (signal.aborted) return null;
      const { kind, message } = toTtunError(stop.signal.aborted ? stop.signal.reason : thrown);
      if (kind === "internal") this.#o.log.error(message, { peer });
      else if (kind !== "lost") this.#said.warn("TLS handshake failed", { peer, why: message });
      return null;
    } finally {
      stop.signal.removeEventListener("abort", cut);
      this.#handshakes.delete(stop);
    }
  }

  async #shake(
    inner: Connection,
    signal: AbortSignal,
    stop: AbortSignal,
  ): Promise<TlsArrival | null> {
    const hello = await this.#readHello(inner);
    if (hello === null) {
      startClose(inner);
      return null;
    }
    const { wish, bytes } = hello;
    const context = await this.#o.choose(wish, inner, stop);
    stop.throwIfAborted();
    if (context === null || typeof context === "function") {
      if (context === null) await refuse(inner, NO_SUCH_NAME);
      else context(inner, bytes);
      return null;
    }
    const session = context.begin(null, wish.isRecent);
    const pipe = new TlsPipe(inner, session);
    try {
      session.give(bytes);
      await handshake(pipe);
      const protocol = session.protocol;
      const stream = new TlsStream(pipe, { signal, clock: this.#o.clock });
      return { stream, name: wish.name, protocol };
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** Null = it has been ended, or is no client of TLS. */
  async #readHello(inner: Connection): Promise<{ wish: TlsWish; bytes: Uint8Array } | null> {
    let bytes = new Uint8Array(FIRST_READ);
    for (let size = 0;;) {
      const got = inner.readNow(bytes.subarray(size));
      if (got === null) return null;
      if (got === undefined) {
        await new Promise<void>((resolve) => inner.onReadable(resolve));
        continue;
      }
      size += got;
      const wish = this.#o.readHello(bytes.subarray(0, size));
      if (wish === "invalid" || (wish === "more" && size >= this.#o.mostHello)) {
        await refuse(inner, DECODE_ERROR);
        return null;
      }
      if (wish !== "more") return { wish, bytes: bytes.slice(0, size) };
      if (size < bytes.length) continue;
      const longer = new Uint8Array(Math.min(4 * size, this.#o.mostHello));
      longer.set(bytes);
      bytes = longer;
    }
  }
}

function handshake(pipe: TlsPipe): Promise<void> {
  return new Promise((resolve, reject) => {
    runHandshake(pipe, () => {}, (failure) => {
      if (failure === null) resolve();
      else reject(failure.error);
    });
  });
}

/** Says why, and ends the connection; what the client sends meanwhile is of no interest. */
async function refuse(inner: Connection, alert: Uint8Array): Promise<void> {
  inner.writeNow(alert);
  await inner.closeWrite();
  startClose(inner);
}
