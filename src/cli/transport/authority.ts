import { TtunError } from "../../base/errors.ts";
import type { QuicAddress, QuicClientEnd } from "../../io/quic/quic_end.ts";
import type { TlsAddress, TlsClientEnd } from "../../io/tls/tls_end.ts";
import { addressOf, type Endpoint } from "./endpoint.ts";

/** Puts `--ca` where the URL's `?ca=` is. @throws {TtunError} usage, where there is no such thing */
export function withAuthority<
  O extends { readonly server: Endpoint; readonly ca?: string | undefined },
>(
  options: O,
): O {
  const { ca, server } = options;
  if (ca === undefined) return options;
  const at = addressOf(server);
  if (at === null || !("quic" in at || "tls" in at)) {
    throw new TtunError(
      "usage",
      "Cannot use --ca with this server: certificates are for quic:// and tls:// alone",
    );
  }
  return { ...options, server: { ...server, at: trusting(at as QuicAddress | TlsAddress, ca) } };
}

function trusting(at: QuicAddress | TlsAddress, ca: string): QuicAddress | TlsAddress {
  const end = "quic" in at ? at.quic as QuicClientEnd : at.tls as TlsClientEnd;
  if (end.ca !== null || "pin" in end && end.pin !== null) {
    throw new TtunError(
      "usage",
      "Cannot use --ca beside the URL's own ca= or pin=: leave one away",
    );
  }
  return "quic" in at
    ? { ...at, quic: { ...end as QuicClientEnd, ca } }
    : { ...at, tls: { ...end as TlsClientEnd, ca } };
}
