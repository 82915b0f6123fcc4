import { utf8 } from "../../../base/bytes.ts";
import type { EcdsaSigner, Signer } from "../../../contract/signature.ts";
import { derive } from "../../link/v2/secrets.ts";
import { encodeCertificate } from "../../x509/certificate.ts";
import { AUTHORITY_TIME, authorityName } from "./authority.ts";
import { encodeBase32 } from "./base32.ts";
import type { IssueOptions } from "./node_certificate.ts";

/** Milliseconds that a gateway's certificate holds. */
export const GATEWAY_LIFETIME = 30 * 24 * 3600_000;

/** Milliseconds that clocks may differ. */
const SKEW = 120_000;

/**
 * Returns the secret of the cluster's authority for visitors, which is the authority's own, with a key
 * that browsers know: they take no Ed25519. It is the same wherever the authority's key is.
 */
export function webAuthoritySeed(authority: Signer): Uint8Array {
  const signature = authority.sign(utf8("ttun mesh web authority\0")); // it is shown to nobody
  return derive(null, "mesh web authority", signature);
}

/** Returns the certificate of the authority for visitors, always the same: the authority vouches for it. */
export function webAuthorityCertificate(web: EcdsaSigner, authority: Signer): Uint8Array {
  return encodeCertificate({
    serial: Uint8Array.of(2),
    issuer: authorityName(authority.publicKey),
    subject: webName(web),
    ...AUTHORITY_TIME,
    publicKey: web.publicKey,
    isAuthority: true,
    dnsNames: [],
    uris: [],
  }, (message) => authority.sign(message));
}

/**
 * Issues the certificate of a gateway for its apex and all names directly below it, where there is no
 * public authority: agents trust it by their token, visitors where they trust the cluster's authority.
 * `publicKey`: of ECDSA, 65 bytes.
 */
export function issueGatewayCertificate(
  { publicKey, apex }: { readonly publicKey: Uint8Array; readonly apex: string },
  { web, serial, nowMs, lifetimeMs = GATEWAY_LIFETIME }: Omit<IssueOptions, "authority"> & {
    readonly web: EcdsaSigner;
  },
): Uint8Array {
  const now = Math.floor(nowMs / 1000) * 1000;
  return encodeCertificate(
    {
      serial,
      issuer: webName(web),
      subject: apex.slice(0, 64),
      notBefore: now - SKEW,
      notAfter: now + Math.min(lifetimeMs, GATEWAY_LIFETIME),
      publicKey,
      isAuthority: false,
      dnsNames: [apex, `*.${apex}`],
      uris: [],
    },
    (message) => web.sign(message),
    "ecdsa",
  );
}

function webName({ publicKey }: EcdsaSigner): string {
  return `ttun mesh web CA ${encodeBase32(publicKey.subarray(1, 16))}`;
}
