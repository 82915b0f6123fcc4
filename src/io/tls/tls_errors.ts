import { TtunError } from "../../base/errors.ts";
import { TlsFailure } from "../../../ffi/openssl/tls_failure.ts";

/** OpenSSL's words for bytes that are no TLS record. */
const NOT_TLS = /wrong version number|packet length too long|unexpected message|http request/;

/** The alert no_application_protocol (RFC 7301 section 3.2), in words of OpenSSL and of rustls. */
const NO_PROTOCOL = /no application protocol|NoApplicationProtocol|any known protocol/;

/** Returns errors of TLS as the user's; others unchanged. `peer`: name of the other end. */
export function tlsError(thrown: unknown, peer: string): unknown {
  if (!(thrown instanceof TlsFailure)) return thrown;
  const { certificate, why } = thrown;
  if (certificate !== null) return untrusted(peer, certificate, thrown);
  return handshakeError(peer, why, thrown);
}

/** `why`: words of OpenSSL or rustls. */
export function handshakeError(peer: string, why: string, cause: unknown): TtunError {
  return new TtunError("protocol", `Cannot use TLS with ${peer}: ${handshakeWords(why)}`, {
    cause,
  });
}

function handshakeWords(why: string): string {
  if (NO_PROTOCOL.test(why)) {
    return "the two ends have no protocol in common; ?alpn= of both must have one name that is alike";
  }
  return NOT_TLS.test(why) ? "it speaks something else" : why;
}

export function untrusted(peer: string, why: string, cause: unknown): TtunError {
  const words = `Cannot trust the certificate of ${peer}: ${why}; give its authority by ` +
    "?ca=FILE, its name by ?name=NAME, or its SHA-256 by ?pin=HEX";
  return new TtunError("auth", words, { cause });
}

export function wrongPin(peer: string): TtunError {
  return new TtunError(
    "auth",
    `Cannot trust the certificate of ${peer}: it is not the one of ?pin=; the server's log has its ` +
      "SHA-256 (if that did not change, somebody sits in between)",
  );
}

/** The connection has ended, and the peer has not said so: bytes may be missing. */
export function cutOff(peer: string): TtunError {
  return new TtunError("lost", `Lost the connection with ${peer}: it was cut off`);
}

/** Such a peer would keep this end busy for nothing. */
export function noText(peer: string): TtunError {
  return new TtunError(
    "protocol",
    `Ended the connection with ${peer}: it sends TLS records without end that carry nothing`,
  );
}
