import { concat, readU16, utf8, writeU16 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { MAX_CERTIFICATE } from "../../x509/certificate.ts";

/**
 * TLS sends a server's certificates in clear up to version 1.2 (RFC 5246 section 7.4.2), so an end that
 * knows the hash of an authority's key alone can ask for them, and then connect anew and trust the
 * key that has this hash. Whoever answers something else makes that second connection fail, no more.
 */

/** Bytes of the longest answer, of which certificates are the greater part. */
const LONGEST = 4 * MAX_CERTIFICATE;

const HANDSHAKE = 22;
const [SERVER_HELLO, CERTIFICATE] = [2, 11];

/** TLS_ECDHE_ECDSA_WITH AES_128_GCM_SHA256, AES_256_GCM_SHA384, CHACHA20_POLY1305_SHA256. */
const SUITES = [0xc02b, 0xc02c, 0xcca9];
/** The curves x25519 and secp256r1; signatures of Ed25519, and of ECDSA with P-256 and SHA-256. */
const [GROUPS, SIGNATURES] = [[0x001d, 0x0017], [0x0807, 0x0403]];

/** Returns the message that begins a connection of TLS 1.2. `random`: 32 bytes. */
export function certificateQuestion(
  random: Uint8Array,
  { name, alpn }: { readonly name: string; readonly alpn: string },
): Uint8Array {
  const extensions = concat(
    extension(0, counted(Uint8Array.of(0), counted(utf8(name)))),
    extension(10, counted(numbers(GROUPS))),
    extension(11, Uint8Array.of(1, 0)),
    extension(13, counted(numbers(SIGNATURES))),
    extension(16, counted(Uint8Array.of(alpn.length), utf8(alpn))),
  );
  const hello = concat(
    Uint8Array.of(3, 3),
    random,
    Uint8Array.of(0), // no session
    counted(numbers(SUITES)),
    Uint8Array.of(1, 0), // no compression
    counted(extensions),
  );
  const message = concat(Uint8Array.of(1, 0), counted(hello));
  return concat(Uint8Array.of(HANDSHAKE, 3, 1), counted(message));
}

/** Reads the answer, in whatever pieces it comes. */
export class CertificateAnswer {
  #bytes: Uint8Array = new Uint8Array();

  /** Returns the certificates in DER once all are there, else null. @throws {ProtocolError} */
  feed(bytes: Uint8Array): Uint8Array[] | null {
    this.#bytes = concat(this.#bytes, bytes);
    if (this.#bytes.length > LONGEST) throw unreadable("it is too long");
    const messages = handshakeOf(this.#bytes);
    for (let at = 0; at + 4 <= messages.length;) {
      const [type, end] = [messages[at], at + 4 + readU24(messages, at + 1)];
      if (type !== SERVER_HELLO && type !== CERTIFICATE) throw unreadable("there are none in it");
      if (end > LONGEST) throw unreadable("it is too long");
      if (end > messages.length) return null;
      if (type === CERTIFICATE) return listOf(messages.subarray(at + 4, end));
      at = end;
    }
    return null;
  }
}

/** Joins what whole records carry. @throws {ProtocolError} for a record that is of no handshake */
function handshakeOf(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    if (bytes[at] !== HANDSHAKE) throw unreadable("it is no handshake of TLS 1.2");
    const end = at + 5 + readU16(bytes, at + 3);
    if (end > bytes.length) break;
    parts.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return concat(...parts);
}

function listOf(body: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  if (body.length < 3 || readU24(body, 0) !== body.length - 3) throw unreadable("it is damaged");
  for (let at = 3; at < body.length;) {
    const end = at + 3 + (at + 3 > body.length ? Infinity : readU24(body, at));
    if (end > body.length) throw unreadable("it is damaged");
    found.push(body.slice(at + 3, end));
    at = end;
  }
  return found;
}

function readU24(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 16 | readU16(bytes, at + 1);
}

function extension(type: number, body: Uint8Array): Uint8Array {
  return concat(numbers([type]), counted(body));
}

/** Puts the length before it, in two bytes. */
function counted(...parts: Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  return concat(numbers([body.length]), body);
}

function numbers(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  for (const [i, value] of values.entries()) writeU16(bytes, 2 * i, value);
  return bytes;
}

function unreadable(why: string): ProtocolError {
  return new ProtocolError(`Cannot read the node's certificates: ${why}`);
}
