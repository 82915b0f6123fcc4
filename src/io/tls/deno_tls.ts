import { type Addr, formatAddr, type HostPort, requireHostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { withoutZone, zoneOf } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { DialDeadline } from "../net/dial_deadline.ts";
import { DenoListener } from "../net/deno_listener.ts";
import { denoNetError } from "../net/deno_net_error.ts";
import { DenoStream } from "../net/deno_stream.ts";
import type { LayerTools } from "../transport.ts";
import { logProtocol } from "./protocol_log.ts";
import type { TlsServerEnd } from "./tls_end.ts";
import { handshakeError, untrusted } from "./tls_errors.ts";

/** Deno's own TLS, which verifies every certificate: for systems without OpenSSL. */
export interface DenoTlsOptions {
  /** PEM file of the authorities that are trusted; null = those that Deno has. */
  readonly ca: string | null;
  /** Name or IP address that the certificate must be for. */
  readonly host: string;
  readonly libc: Libc | null;
  /** Names of ALPN that the server is offered. */
  readonly alpn?: readonly string[];
  readonly log?: Logger;
}

/** Connects by Deno's sockets, and then by TLS. */
export class DenoTlsDialer implements Dialer {
  readonly #o: DenoTlsOptions;
  readonly #caCerts: readonly string[];

  /** @throws {TtunError} usage, if the file cannot be read */
  constructor(o: DenoTlsOptions) {
    this.#o = o;
    this.#caCerts = o.ca === null ? [] : [readPem(o.ca)];
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    this.#dial(to, o).then(
      (stream) => void events.connected(stream),
      (error) => void events.failed(error),
    );
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    o.signal.throwIfAborted();
    o.cancel?.throwIfAborted();
    const { host, port } = requireHostPort(to);
    using patience = new DialDeadline(to, o);
    let conn: Deno.TcpConn | Deno.TlsConn | null = null;
    const giveUp = () => conn?.close();
    try {
      const tcp = conn = await Deno.connect({ hostname: host, port, signal: patience.signal });
      tcp.setNoDelay();
      patience.signal.addEventListener("abort", giveUp, { once: true });
      const { alpn = [], host: name, libc, log } = this.#o;
      const tls = conn = await Deno.startTls(tcp, {
        hostname: withoutZone(name),
        caCerts: [...this.#caCerts],
        alpnProtocols: [...alpn],
      });
      const { alpnProtocol } = await tls.handshake();
      patience.check();
      patience.signal.removeEventListener("abort", giveUp);
      const stream = new DenoStream(tls, libc, o.signal, zoneOf(host));
      if (alpn.length > 0) logProtocol(log, stream.peer, alpnProtocol);
      return stream;
    } catch (thrown) {
      patience.signal.removeEventListener("abort", giveUp);
      if (!patience.signal.aborted) giveUp();
      patience.check();
      o.signal.throwIfAborted();
      o.cancel?.throwIfAborted();
      throw tlsFailure(thrown, to);
    }
  }
}

/** Listens where `inner` did, which is closed. @throws {TtunError} usage, in_use, privilege */
export function denoTlsListener(
  inner: Listener,
  { alpn, cert, key }: TlsServerEnd,
  tools: Pick<LayerTools, "clock" | "log" | "signal">,
): Listener {
  const { host, port } = requireHostPort(inner.addr);
  const end = { cert: readPem(cert), key: readPem(key), alpnProtocols: [...alpn] };
  void inner[Symbol.asyncDispose](); // it never rejects, and the port is free at once
  const at: HostPort = { host, port };
  try {
    const watch = watchHandshakes(alpn, tools);
    const listeners = listenTls(host, port, end).map((listener) => watched(listener, watch));
    return new DenoListener(listeners, null, tools.signal, zoneOf(host), true);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.InvalidData) {
      const words = `Cannot use the certificate ${JSON.stringify(cert)} with its key ` +
        `${JSON.stringify(key)}: ${thrown.message}`;
      throw new TtunError("usage", words, { cause: thrown });
    }
    throw denoNetError(thrown, "listen", at);
  }
}

/** Listens where `inner` did: on two sockets for all addresses where the kernel separates families. */
function listenTls(
  host: string,
  port: number,
  end: Deno.TlsCertifiedKeyPem & { readonly alpnProtocols: string[] },
): Deno.TlsListener[] {
  const listen = (hostname: string) => Deno.listenTls({ hostname, port, ...end });
  if (host !== "::") return [listen(withoutZone(host))];
  const both = listen("::");
  try {
    return [listen("0.0.0.0"), both];
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return [both]; // it takes IPv4 too
    both.close();
    throw error;
  }
}

type Acceptor = Pick<Deno.TlsListener, "accept" | "addr" | "close">;

/** Tells `watch` of each connection. */
function watched(listener: Deno.TlsListener, watch: (conn: Deno.TlsConn) => void): Acceptor {
  return {
    addr: listener.addr,
    close: () => listener.close(),
    accept: async () => {
      const conn = await listener.accept();
      watch(conn);
      return conn;
    },
  };
}

/** Returns what logs how the handshake of a connection ends, which goes on by itself. */
function watchHandshakes(
  alpn: readonly string[],
  { clock, log }: Pick<LayerTools, "clock" | "log">,
): (conn: Deno.TlsConn) => void {
  const said = new RateLimitedLog(log, () => clock.now());
  return (conn) => {
    const { hostname: host, port } = conn.remoteAddr;
    const peer = formatAddr({ host, port });
    conn.handshake().then(({ alpnProtocol }) => {
      if (alpn.length > 0) logProtocol(log, peer, alpnProtocol);
    }, (error) => {
      if (!(error instanceof Deno.errors.InvalidData)) return; // it was closed, or is gone
      const why = handshakeError(peer, error.message, error).message;
      said.warn("TLS handshake failed", { peer, why });
    });
  };
}

function readPem(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("usage", `Cannot read ${JSON.stringify(path)}: ${why}`, { cause: error });
  }
}

/** Returns words for what Deno's TLS library, rustls, has against the other end. */
function tlsFailure(thrown: unknown, to: Addr): unknown {
  if (!(thrown instanceof Deno.errors.InvalidData)) return denoNetError(thrown, "connect", to);
  const peer = formatAddr(to);
  const [, why] = /invalid peer certificate: (.*)/s.exec(thrown.message) ?? [];
  if (why !== undefined) return untrusted(peer, why, thrown);
  return handshakeError(peer, thrown.message, thrown);
}
