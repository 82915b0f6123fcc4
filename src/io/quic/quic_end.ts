import type { HostPort } from "../../base/addr.ts";
import type { QuicProtocol } from "./messages.ts";

/** Conditions of a client for the server's certificate. */
export interface QuicClientEnd {
  /** PEM file of authorities that are trusted beside those that Deno has; null = none. */
  readonly ca: string | null;
  /** A certificate that is trusted beside them, DER in base64url; null = none. */
  readonly cert: string | null;
  /** The name that the certificate must be for; null = that of `cert`, else the host's. */
  readonly name: string | null;
}

/** PEM files of a server; null = it makes a certificate of its own. */
export interface QuicServerFiles {
  readonly cert: string | null;
  readonly key: string | null;
}

/** An address that is dialled or listened on by QUIC. */
export interface QuicAddress extends HostPort {
  readonly quic: QuicClientEnd | QuicServerFiles;
}

/** ttun's link in a stream of QUIC (docs/wire/quic.md). */
export const QUIC_PROTOCOL: QuicProtocol = { alpn: "ttun/1", beside: 0 };
