import type { Signer } from "../../../contract/signature.ts";
import { derive } from "../../link/v2/secrets.ts";
import { toHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { encodeCertificate, parseCertificate } from "../../x509/certificate.ts";
import { encodeBase32 } from "./base32.ts";

/** The time from 2000 to 9999: an authority ends when the cluster no longer trusts it. */
export const AUTHORITY_TIME = {
  notBefore: Date.UTC(2000, 0),
  notAfter: Date.UTC(9999, 11, 31, 23, 59, 59),
} as const;

/** Returns the name of the authority with that public key, which stands in what it issues. */
export function authorityName(publicKey: Uint8Array): string {
  return `ttun mesh CA ${encodeBase32(publicKey.subarray(0, 15))}`;
}

/** Returns the 16 bytes that tell clusters apart, from the public key of a cluster's first authority. */
export function clusterIdOf(publicKey: Uint8Array): Uint8Array {
  return derive(null, "mesh cluster", publicKey).slice(0, 16);
}

/** Returns the 32 bytes by which an invite names an authority, from its public key. */
export function authorityHash(publicKey: Uint8Array): Uint8Array {
  return derive(null, "mesh CA", publicKey);
}

/**
 * Returns the public key that has this hash among those of certificates, which prove nothing; null =
 * there is none.
 */
export function authorityAmong(
  certificates: readonly Uint8Array[],
  hash: Uint8Array,
): Uint8Array | null {
  for (const der of certificates) {
    const key = keyOf(der);
    if (key !== null && toHex(authorityHash(key)) === toHex(hash)) return key;
  }
  return null;
}

function keyOf(der: Uint8Array): Uint8Array | null {
  try {
    return parseCertificate(der).publicKey;
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Returns an authority's own certificate. */
export function authorityCertificate(authority: Signer): Uint8Array {
  return encodeAuthority(authority.publicKey, (message) => authority.sign(message));
}

/**
 * Returns a certificate by which TLS trusts the authority with that public key, for an end that knows
 * nothing but the key: of an authority that it is told to trust TLS checks no signature.
 */
export function trustAnchor(publicKey: Uint8Array): Uint8Array {
  return encodeAuthority(publicKey, () => new Uint8Array(64));
}

function encodeAuthority(publicKey: Uint8Array, sign: (message: Uint8Array) => Uint8Array) {
  const name = authorityName(publicKey);
  return encodeCertificate({
    serial: Uint8Array.of(1),
    issuer: name,
    subject: name,
    ...AUTHORITY_TIME,
    publicKey,
    isAuthority: true,
    dnsNames: [],
    uris: [],
  }, sign);
}
