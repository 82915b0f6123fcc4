import { encodeBase64Url } from "../../base/base64url.ts";
import { fromHex } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { validityOf } from "./certificate.ts";
import { DerReader } from "./der_reader.ts";
import { contextTag, oid, TAG } from "./der_writer.ts";

/** Facts of a certificate by a public authority, whose signature is not looked at. */
export interface PublicCertificate {
  readonly notBefore: number;
  readonly notAfter: number;
  /** In lower case; names of other kinds are left out. */
  readonly dnsNames: readonly string[];
  /** The point of its key, uncompressed; null = the key is none of P-256. */
  readonly publicKey: Uint8Array | null;
  /** Name of it at its authority (RFC 9773 section 4.1); null = it names no key that signed it. */
  readonly renewalId: string | null;
}

const VERSION = contextTag(0, true);
const EXTENSIONS = contextTag(3, true);
const DNS_NAME = contextTag(2, false);
const KEY_IDENTIFIER = contextTag(0, false);
const ALTERNATIVE_NAME = oid("2.5.29.17");
const AUTHORITY_KEY = oid("2.5.29.35");
const P256_PREFIX = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

/** @throws {ProtocolError} */
export function readPublicCertificate(bytes: Uint8Array): PublicCertificate {
  const { notBefore, notAfter } = validityOf(bytes);
  const fields = new DerReader(bytes).inside(TAG.sequence).inside(TAG.sequence);
  fields.optional(VERSION);
  const serial = fields.take(TAG.integer);
  for (let skipped = 0; skipped < 4; skipped++) fields.any(); // algorithm, issuer, time, subject
  const { whole: key } = fields.any();
  let dnsNames: string[] = [];
  let signedBy: Uint8Array | null = null;
  while (!fields.isAtEnd) {
    const { tag, content } = fields.any();
    if (tag !== EXTENSIONS) continue;
    const extensions = new DerReader(content).inside(TAG.sequence);
    while (!extensions.isAtEnd) {
      const extension = extensions.inside(TAG.sequence);
      const id = extension.any().whole.join();
      extension.optional(TAG.boolean);
      const value = new DerReader(extension.take(TAG.octetString));
      if (id === ALTERNATIVE_NAME.join()) dnsNames = readNames(value.inside(TAG.sequence));
      if (id === AUTHORITY_KEY.join()) {
        signedBy = value.inside(TAG.sequence).optional(KEY_IDENTIFIER);
      }
    }
  }
  const isP256 = key.length === P256_PREFIX.length + 65 &&
    P256_PREFIX.every((byte, i) => key[i] === byte);
  return {
    notBefore,
    notAfter,
    dnsNames,
    publicKey: isP256 ? key.slice(P256_PREFIX.length) : null,
    renewalId: signedBy === null ? null : `${encodeBase64Url(signedBy)}.${encodeBase64Url(serial)}`,
  };
}

function readNames(names: DerReader): string[] {
  const found: string[] = [];
  while (!names.isAtEnd) {
    const { tag, content } = names.any();
    if (tag !== DNS_NAME) continue;
    if (content.some((byte) => byte < 0x21 || byte > 0x7e)) {
      throw new ProtocolError("Cannot read a certificate: a name is no text");
    }
    found.push(String.fromCharCode(...content).toLowerCase());
  }
  return found;
}
