import type { HostPort } from "../../base/addr.ts";

/** PEM files of a server: its certificate, with those between it and the authority, and its key. */
export interface TlsServerEnd {
  readonly cert: string;
  readonly key: string;
  /** Names of ALPN (RFC 7301), the best first, one of which a client must speak that names any. */
  readonly alpn: readonly string[];
}

/** Conditions of a client for the server's certificate. */
export interface TlsClientEnd {
  /** PEM file of the authorities that are trusted; null = the system's. */
  readonly ca: string | null;
  /** SHA-256 of the certificate, 64 hexadecimal digits: nothing else is verified; null = none. */
  readonly pin: string | null;
  /** The name that it must be for, in place of the host that is dialled; null = that host. */
  readonly name: string | null;
  /** Names of ALPN that the server is offered, the best first; none = nothing is said of them. */
  readonly alpn: readonly string[];
}

/** An address that is dialled or listened on as for TCP, with TLS on each connection. */
export interface TlsAddress extends HostPort {
  readonly tls: TlsServerEnd | TlsClientEnd;
}
