import type { HostPort } from "../../base/addr.ts";
import { fromHex, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { type Libssl, openLibssl } from "../../../ffi/openssl/libssl.ts";
import { DenoListener } from "../net/deno_listener.ts";
import { DenoNet } from "../net/deno_net.ts";
import { DenoTlsDialer, denoTlsListener } from "./deno_tls.ts";
import type { LayerTools, Transport } from "../transport.ts";
import { TlsDialer } from "./tls_dialer.ts";
import type { TlsAddress, TlsClientEnd, TlsServerEnd } from "./tls_end.ts";
import { TlsListener } from "./tls_listener.ts";

/** `tls://HOST:PORT`: TCP with TLS on it (RFC 8446), by the system's OpenSSL. */
export const TLS_TRANSPORT: Transport = {
  layer: {
    dialer: (inner, at, { clock, log, opened }) => {
      const { alpn, ca, name, pin } = endOf<TlsClientEnd>(at);
      const host = name ?? at.host;
      const libssl = libsslFor(inner instanceof DenoNet);
      if (libssl === null) {
        if (pin !== null) throw noPin();
        return new DenoTlsDialer({ alpn, ca, host, log, libc: (inner as DenoNet).libc });
      }
      opened.use(libssl);
      const context = opened.use(libssl.clientContext(pin === null ? ca ?? "" : null, alpn));
      return new TlsDialer(inner, {
        context,
        clock,
        host,
        log,
        pin: pin === null ? null : fromHex(pin),
      });
    },
    listener: (inner, at, tools) => {
      const { clock, log, opened } = tools;
      const libssl = libsslFor(inner instanceof DenoListener);
      if (libssl === null) {
        return denoTlsListener(inner, endOf<TlsServerEnd>(at), tools);
      }
      opened.use(libssl);
      return new TlsListener(inner, { context: serverContext(libssl, at, tools), clock, log });
    },
  },
};

/** Null = Deno's own TLS takes its place. @throws {TtunError} system, if there is none */
function libsslFor(isDeno: boolean): Libssl | null {
  try {
    return openLibssl();
  } catch (error) {
    if (isDeno && error instanceof TtunError && error.kind === "system") return null;
    throw error;
  }
}

function noPin(): TtunError {
  return new TtunError(
    "usage",
    "Cannot use ?pin= here: it takes OpenSSL 3, which is missing; give the certificate's authority " +
      "by ?ca=FILE",
  );
}

/** The log has the digest, for clients that trust this certificate alone. */
function serverContext(libssl: Libssl, at: HostPort, { log, opened }: LayerTools) {
  const { alpn, cert, key } = endOf<TlsServerEnd>(at);
  const context = opened.use(libssl.serverContext({ cert, key }, alpn));
  log.info("TLS certificate", { file: cert, sha256: toHex(context.ownDigest!) });
  return context;
}

function endOf<End extends TlsClientEnd | TlsServerEnd>(at: HostPort): End {
  return (at as TlsAddress).tls as End;
}
