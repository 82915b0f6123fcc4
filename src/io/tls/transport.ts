import type { HostPort } from "../../base/addr.ts";
import { fromHex, toHex } from "../../base/bytes.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { LayerTools, Transport } from "../transport.ts";
import { TlsDialer } from "./tls_dialer.ts";
import type { TlsAddress, TlsClientEnd, TlsServerEnd } from "./tls_end.ts";
import { TlsListener } from "./tls_listener.ts";

/** `tls://HOST:PORT`: TCP with TLS on it (RFC 8446), by the system's OpenSSL. */
export const TLS_TRANSPORT: Transport = {
  layer: {
    dialer: (inner, at, { clock, opened }) => {
      const { ca, name, pin } = endOf<TlsClientEnd>(at);
      const libssl = opened.use(openLibssl());
      const context = opened.use(libssl.clientContext(pin === null ? ca ?? "" : null));
      const host = name ?? at.host;
      return new TlsDialer(inner, {
        context,
        clock,
        host,
        pin: pin === null ? null : fromHex(pin),
      });
    },
    listener: (inner, at, tools) => {
      const { clock, log } = tools;
      return new TlsListener(inner, { context: serverContext(at, tools), clock, log });
    },
  },
};

/** The log has the digest, for clients that trust this certificate alone. */
function serverContext(at: HostPort, { log, opened }: LayerTools) {
  const { cert, key } = endOf<TlsServerEnd>(at);
  const libssl = opened.use(openLibssl());
  const context = opened.use(libssl.serverContext({ cert, key }));
  log.info("TLS certificate", { file: cert, sha256: toHex(context.ownDigest!) });
  return context;
}

function endOf<End extends TlsClientEnd | TlsServerEnd>(at: HostPort): End {
  return (at as TlsAddress).tls as End;
}
