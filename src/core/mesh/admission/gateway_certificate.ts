import { encodeCertificate } from "../../x509/certificate.ts";
import { authorityName } from "./authority.ts";
import type { IssueOptions } from "./node_certificate.ts";

/** Milliseconds that a gateway's certificate holds. */
export const GATEWAY_LIFETIME = 30 * 24 * 3600_000;

/** Milliseconds that clocks may differ. */
const SKEW = 120_000;

/**
 * Issues the certificate of a gateway for its apex and all names directly below it, where there is no
 * public authority: agents trust it by their token, visitors where they trust the cluster's authority.
 */
export function issueGatewayCertificate(
  { publicKey, apex }: { readonly publicKey: Uint8Array; readonly apex: string },
  { authority, serial, nowMs, lifetimeMs = GATEWAY_LIFETIME }: IssueOptions,
): Uint8Array {
  const now = Math.floor(nowMs / 1000) * 1000;
  return encodeCertificate({
    serial,
    issuer: authorityName(authority.publicKey),
    subject: apex.slice(0, 64),
    notBefore: now - SKEW,
    notAfter: now + Math.min(lifetimeMs, GATEWAY_LIFETIME),
    publicKey,
    isAuthority: false,
    dnsNames: [apex, `*.${apex}`],
    uris: [],
  }, (message) => authority.sign(message));
}
