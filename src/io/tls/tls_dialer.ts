import { type Addr, isIpAddress } from "../../base/addr.ts";
import { constantTimeEqual } from "../../base/bytes.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { logProtocol } from "./protocol_log.ts";
import { wrongPin } from "./tls_errors.ts";
import { openTls } from "./open_tls.ts";
import { HANDSHAKE_MS } from "./tls_handshake.ts";

export interface TlsDialerOptions {
  readonly context: TlsContext;
  readonly clock: Clock;
  /** Name or IP address that the certificate must be for. */
  readonly host: string;
  /** SHA-256 of the certificate; null = the context verifies it. */
  readonly pin: Uint8Array | null;
  readonly log?: Logger;
}

/** Connects as `inner` does, and then by TLS. Borrows the context. */
export class TlsDialer implements Dialer {
  readonly limitsSegments: boolean;
  readonly #inner: Dialer;
  readonly #o: TlsDialerOptions;

  constructor(inner: Dialer, o: TlsDialerOptions) {
    this.limitsSegments = inner.limitsSegments === true;
    this.#inner = inner;
    this.#o = o;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    return this.#inner.start(to, o, {
      connected: (stream) => this.#begin(stream, to, o, events),
      failed: (error) => events.failed(error),
    });
  }

  #begin(stream: Connection, to: Addr, o: DialOptions, events: DialEvents): void {
    const { clock } = this.#o;
    const { timeoutMs = HANDSHAKE_MS, cancel, signal } = o;
    openTls(stream, () => this.#session(), {
      clock,
      signal,
      cancel,
      timeoutMs,
      late: () => noAnswer(to, timeoutMs),
      judge: (session) => this.#judge(session, stream.peer),
    }, events);
  }

  /** A zone (fe80::1%eth0) is this machine's affair: no certificate has it. */
  #session(): TlsSession {
    const { context, host } = this.#o;
    const isIp = isIpAddress(host);
    return context.begin({ host: isIp ? withoutZone(host) : host, isIp });
  }

  #judge(session: TlsSession, peer: string): void {
    const { context, log, pin } = this.#o;
    if (pin !== null) {
      const digest = session.peerDigest;
      if (digest === null || !constantTimeEqual(digest, pin)) throw wrongPin(peer);
    }
    if (context.protocols.length > 0) logProtocol(log, peer, session.protocol);
  }
}
