import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";

/** The name in the certificates of the program tete. */
export const TETE = "tete";

export interface SecureOptions {
  /** The server shows the certificate. */
  readonly isClient: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Makes the error when that time is over. */
  readonly late: () => Error;
  /** Judges the SHA-256 of the certificate, at both ends. Throws if it is not the right one. */
  readonly judge: (digest: Uint8Array) => void;
}

/** TLS in either role, with a certificate of its own as the server's. */
export interface PeerTls {
  /** SHA-256 of that certificate. */
  readonly ownDigest: Uint8Array;
  /** Owns the stream. A link on the result is bound to the certificate. @throws {TtunError} */
  secure(stream: Connection, o: SecureOptions): Promise<Connection>;
}
