import { concat, fromHex } from "../../base/bytes.ts";

/** DER before the 32 bytes of an Ed25519 private key (PKCS #8, RFC 8410 section 7). */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");

/** Returns PEM (RFC 7468) with a label such as "CERTIFICATE". */
export function encodePem(label: string, der: Uint8Array): string {
  const text = btoa(Array.from(der, (byte) => String.fromCharCode(byte)).join(""));
  const lines = text.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Returns the first block of that label; null = there is none that can be read. */
export function decodePem(label: string, text: string): Uint8Array | null {
  const [, body] = new RegExp(
    `-----BEGIN ${label}-----\\s+([A-Za-z0-9+/=\\s]+)-----END ${label}-----`,
  ).exec(text) ?? [];
  if (body === undefined) return null;
  try {
    return Uint8Array.from(atob(body.replaceAll(/\s/g, "")), (char) => char.charCodeAt(0));
  } catch {
    return null; // no base64
  }
}

/** Returns the form in which TLS libraries take an Ed25519 key, from its 32 secret bytes. */
export function pkcs8Of(seed: Uint8Array): Uint8Array {
  return concat(PKCS8_PREFIX, seed);
}
