import { concat, fromHex, utf8 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { DerReader } from "./der_reader.ts";
import {
  bitString,
  contextTag,
  der,
  integer,
  octetString,
  oid,
  sequence,
  TAG,
  time,
  utf8String,
} from "./der_writer.ts";

/** The fields of a certificate (X.509 version 3, RFC 5280). */
export interface CertificateFields {
  /** At most 20 bytes. */
  readonly serial: Uint8Array;
  /** Common names; no other part of a name is used. */
  readonly issuer: string;
  readonly subject: string;
  /** Milliseconds of wall-clock time, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** 32 bytes of Ed25519 (RFC 8410); or 65 of P-256 (RFC 5480), which is written and never read. */
  readonly publicKey: Uint8Array;
  /** It signs other certificates. */
  readonly isAuthority: boolean;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
}

export interface Certificate extends CertificateFields {
  readonly der: Uint8Array;
  /** The bytes that the signature is over. */
  readonly signed: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

const ED25519 = sequence(oid("1.3.101.112"));
/** ecdsa-with-SHA256 (RFC 5758 section 3.2). */
const ECDSA = sequence(oid("1.2.840.10045.4.3.2"));
const COMMON_NAME = oid("2.5.4.3");
const BASIC_CONSTRAINTS = oid("2.5.29.19");
const KEY_USAGE = oid("2.5.29.15");
const EXTENDED_KEY_USAGE = oid("2.5.29.37");
const ALTERNATIVE_NAME = oid("2.5.29.17");
const SERVER_AUTH = oid("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH = oid("1.3.6.1.5.5.7.3.2");
const TRUE = der(TAG.boolean, Uint8Array.of(0xff));
/** digitalSignature; keyCertSign and cRLSign. */
const SIGNS_HANDSHAKES = bitString(Uint8Array.of(0x80), 7);
const SIGNS_CERTIFICATES = bitString(Uint8Array.of(0x06), 1);
const DNS_NAME = contextTag(2, false);
const URI = contextTag(6, false);
const VERSION = contextTag(0, true);
const EXTENSIONS = contextTag(3, true);
const VERSION_3 = integer(Uint8Array.of(2));

/** Bytes; longer ones are not ours. */
export const MAX_CERTIFICATE = 8 * 1024;

const SPKI_PREFIX = fromHex("302a300506032b6570032100");
const P256_PREFIX = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

/** `sign`: signs with the issuer's key, of Ed25519 unless it is said to be of ECDSA. */
export function encodeCertificate(
  fields: CertificateFields,
  sign: (message: Uint8Array) => Uint8Array,
  by: "ed25519" | "ecdsa" = "ed25519",
): Uint8Array {
  const algorithm = by === "ed25519" ? ED25519 : ECDSA;
  const { publicKey } = fields;
  const signed = sequence(
    der(VERSION, VERSION_3),
    integer(fields.serial),
    algorithm,
    nameOf(fields.issuer),
    sequence(time(fields.notBefore), time(fields.notAfter)),
    nameOf(fields.subject),
    concat(publicKey.length === 32 ? SPKI_PREFIX : P256_PREFIX, publicKey),
    der(EXTENSIONS, sequence(...extensionsOf(fields))),
  );
  return sequence(signed, algorithm, bitString(sign(signed)));
}

/** Returns the time of a certificate, whatever keys and names it has. @throws {ProtocolError} */
export function validityOf(
  bytes: Uint8Array,
): Pick<CertificateFields, "notBefore" | "notAfter"> {
  const fields = new DerReader(bytes).inside(TAG.sequence).inside(TAG.sequence);
  fields.optional(VERSION);
  for (let skipped = 0; skipped < 3; skipped++) fields.any(); // serial, algorithm, issuer
  return readValidity(fields);
}

/**
 * Reads a certificate as `encodeCertificate` writes it; whose signature it has is not checked, nor the
 * time. @throws {ProtocolError}
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MAX_CERTIFICATE) throw damaged("it is too long");
  const outer = new DerReader(bytes);
  const whole = outer.inside(TAG.sequence);
  outer.end();
  const signed = whole.any();
  if (signed.tag !== TAG.sequence) throw damaged("it has no fields");
  requireSame(whole.any().whole, ED25519, "its signature is none of Ed25519");
  const signature = bitsOf(whole.take(TAG.bitString), 64);
  whole.end();
  return {
    ...readFields(new DerReader(signed.content)),
    der: bytes,
    signed: signed.whole,
    signature,
  };
}

function readFields(from: DerReader): CertificateFields {
  requireSame(from.take(VERSION), VERSION_3, "it is not version 3");
  const serial = numberOf(from.take(TAG.integer));
  requireSame(from.any().whole, ED25519, "its signature is none of Ed25519");
  const issuer = readName(from.inside(TAG.sequence));
  const { notBefore, notAfter } = readValidity(from);
  const subject = readName(from.inside(TAG.sequence));
  const spki = from.any().whole;
  requireSame(spki.subarray(0, SPKI_PREFIX.length), SPKI_PREFIX, "its key is none of Ed25519");
  if (spki.length !== SPKI_PREFIX.length + 32) throw damaged("its key is none of Ed25519");
  const publicKey = spki.subarray(SPKI_PREFIX.length);
  const extensions = from.inside(EXTENSIONS);
  from.end();
  const names = readExtensions(extensions.inside(TAG.sequence));
  extensions.end();
  return { serial, issuer, subject, notBefore, notAfter, publicKey, ...names };
}

function extensionsOf({ isAuthority, dnsNames, uris }: CertificateFields): Uint8Array[] {
  const extension = (id: Uint8Array, value: Uint8Array, isCritical: boolean) =>
    sequence(id, ...(isCritical ? [TRUE] : []), octetString(value));
  const names = [
    ...dnsNames.map((name) => der(DNS_NAME, utf8(name))),
    ...uris.map((uri) => der(URI, utf8(uri))),
  ];
  return [
    extension(BASIC_CONSTRAINTS, sequence(...(isAuthority ? [TRUE] : [])), true),
    extension(KEY_USAGE, isAuthority ? SIGNS_CERTIFICATES : SIGNS_HANDSHAKES, true),
    ...(isAuthority
      ? []
      : [extension(EXTENDED_KEY_USAGE, sequence(SERVER_AUTH, CLIENT_AUTH), false)]),
    ...(names.length > 0 ? [extension(ALTERNATIVE_NAME, sequence(...names), false)] : []),
  ];
}

/** Each extension once at most, and no critical one that is unknown (RFC 5280 section 4.2). */
function readExtensions(
  from: DerReader,
): Pick<CertificateFields, "isAuthority" | "dnsNames" | "uris"> {
  const seen = new Set<string>();
  let isAuthority = false;
  const dnsNames: string[] = [];
  const uris: string[] = [];
  while (!from.isAtEnd) {
    const extension = from.inside(TAG.sequence);
    const id = extension.any().whole;
    const isCritical = extension.optional(TAG.boolean) !== null;
    const value = new DerReader(extension.take(TAG.octetString));
    extension.end();
    if (seen.has(id.join())) throw damaged("an extension is there twice");
    seen.add(id.join());
    if (isSame(id, BASIC_CONSTRAINTS)) {
      isAuthority = value.inside(TAG.sequence).optional(TAG.boolean)?.[0] === 0xff;
    } else if (isSame(id, ALTERNATIVE_NAME)) {
      const names = value.inside(TAG.sequence);
      while (!names.isAtEnd) {
        const { tag, content } = names.any();
        if (tag === DNS_NAME) dnsNames.push(textOf(content));
        if (tag === URI) uris.push(textOf(content));
      }
    } else if (isCritical && !isSame(id, KEY_USAGE)) {
      throw damaged("it has a critical extension that is not known");
    }
  }
  return { isAuthority, dnsNames, uris };
}

function nameOf(commonName: string): Uint8Array {
  return sequence(der(TAG.set, sequence(COMMON_NAME, utf8String(commonName))));
}

function readName(from: DerReader): string {
  const part = from.inside(TAG.set).inside(TAG.sequence);
  from.end();
  requireSame(part.any().whole, COMMON_NAME, "its name has no common name");
  return textOf(part.take(TAG.utf8String));
}

function readValidity(from: DerReader): Pick<CertificateFields, "notBefore" | "notAfter"> {
  const validity = from.inside(TAG.sequence);
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  validity.end();
  return { notBefore, notAfter };
}

function readTime(from: DerReader): number {
  const { tag, content } = from.any();
  const text = textOf(content);
  const isShort = tag === TAG.utcTime;
  if (!isShort && tag !== TAG.generalizedTime) throw damaged("a time is none");
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(
    isShort ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text,
  );
  if (match === null) throw damaged("a time is none");
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const ms = Date.UTC(year!, month! - 1, day, hour, minute, second);
  const whole = match.slice(1).join("");
  const again = new Date(ms).toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  if (again !== whole) throw damaged("a time is none");
  return ms;
}

function numberOf(content: Uint8Array): Uint8Array {
  if (content.length === 0 || content.length > 21 || content[0]! >= 0x80) {
    throw damaged("its number is none");
  }
  return content[0] === 0 && content.length > 1 ? content.subarray(1) : content;
}

function bitsOf(content: Uint8Array, length: number): Uint8Array {
  if (content[0] !== 0 || content.length !== length + 1) throw damaged("bits of another length");
  return content.subarray(1);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProtocolError("Cannot read a certificate: a name is no text", { cause });
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function requireSame(a: Uint8Array, b: Uint8Array, why: string): void {
  if (!isSame(a, b)) throw damaged(why);
}

function damaged(why: string): ProtocolError {
  return new ProtocolError(`Cannot read a certificate: ${why}`);
}
