import { type Addr, isIpAddress } from "../../base/addr.ts";
import { constantTimeEqual } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { TlsContext, TlsSession } from "../../../ffi/openssl/libssl.ts";
import { wrongPin } from "./tls_errors.ts";
import { TlsStream } from "./tls_stream.ts";

/** A name that a server's certificate must be for. */
export interface ServerName {
  readonly host: string;
  readonly isIp: boolean;
}

export function serverName(host: string): ServerName {
  return { host, isIp: isIpAddress(host) };
}

/** Connects as `inner` does, and then by TLS. Borrows the context. */
export class TlsDialer implements Dialer {
  readonly limitsSegments: boolean;
  readonly #inner: Dialer;
  readonly #context: TlsContext;
  readonly #name: ServerName;
  readonly #pin: Uint8Array | null;

  /** `pin`: SHA-256 of the certificate; null = the context verifies it. */
  constructor(inner: Dialer, context: TlsContext, name: ServerName, pin: Uint8Array | null) {
    this.limitsSegments = inner.limitsSegments === true;
    this.#inner = inner;
    this.#context = context;
    this.#name = name;
    this.#pin = pin;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    return this.#inner.start(to, o, {
      connected: (stream) => events.connected(this.#begin(stream, o.signal)),
      failed: (error) => events.failed(error),
    });
  }

  #begin(stream: Connection, signal: AbortSignal): Connection {
    const judge = (session: TlsSession) => this.#judge(session, stream.peer);
    return new TlsStream(stream, this.#context.begin(this.#name), { signal, judge });
  }

  #judge(session: TlsSession, peer: string): void {
    if (this.#pin === null) return;
    const digest = session.peerDigest;
    if (digest === null || !constantTimeEqual(digest, this.#pin)) throw wrongPin(peer);
  }
}

/** Accepts as `inner` does, and then by TLS. Owns `inner`, and borrows the context. */
export class TlsListener implements Listener {
  readonly #inner: Listener;
  readonly #context: TlsContext;

  constructor(inner: Listener, context: TlsContext) {
    this.#inner = inner;
    this.#context = context;
  }

  get addr(): Addr {
    return this.#inner.addr;
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    const stream = this.#inner.acceptNow({ signal });
    return stream && new TlsStream(stream, this.#context.begin(null), { signal });
  }

  onAcceptable(run: OnReady): void {
    this.#inner.onAcceptable(run);
  }

  limitSegments(segmentBytes: number): boolean {
    return this.#inner.limitSegments?.(segmentBytes) ?? false;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]();
  }
}
