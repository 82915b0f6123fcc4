/** A certificate of a public authority, with its key. */
export interface IssuedCertificate {
  /** PEM: the certificate, behind it those between it and the authority. */
  readonly chain: readonly string[];
  /** 32 secret bytes of its key (ECDSA with P-256). */
  readonly seed: Uint8Array;
}

export interface CertificateOrder {
  /** In lower case, the first one without `*`. */
  readonly names: readonly string[];
  /** The certificate that this one takes the place of, by its name at the authority; null = none. */
  readonly replaces: string | null;
  /** Has a text be told in DNS, to prove that a name is the cluster's; dispose = no more. */
  readonly prove: (name: string, text: string) => Promise<AsyncDisposable>;
}

/** The cluster's account at an authority. */
export interface IssuerAccount {
  /** 32 secret bytes of its key. */
  readonly seed: Uint8Array;
  /** Its URL; null = the authority does not know it yet. */
  readonly url: string | null;
}

/** The time in which an authority wants a certificate to be renewed (RFC 9773). */
export interface RenewalWindow {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Milliseconds until it is asked again. */
  readonly againMs: number;
}

/** A public authority that issues certificates. Calls throw IssuerError, or the reason of their signal. */
export interface Issuer {
  /** Makes the account known, or finds it. */
  register(seed: Uint8Array, signal: AbortSignal): Promise<IssuerAccount>;
  issue(
    order: CertificateOrder,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<IssuedCertificate>;
  /** `id`: the certificate's name at the authority. Null = this authority does not say. */
  renewalWindow(id: string, signal: AbortSignal): Promise<RenewalWindow | null>;
}

/** An answer of an authority, or of whatever says to be it. */
export interface AcmeAnswer {
  readonly status: number;
  /** Header fields by their names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Carries requests to an authority (RFC 8555 section 6.1), with limits of size and time. */
export interface AcmeTransport {
  /** `body`: a signed request; null = HEAD or GET. @throws {TtunError}; the signal's reason */
  send(
    o: { method: "GET" | "HEAD" | "POST"; url: string; body: string | null },
    signal: AbortSignal,
  ): Promise<AcmeAnswer>;
}
