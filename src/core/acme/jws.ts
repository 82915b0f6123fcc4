import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeBase64Url } from "../../base/base64url.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { EcdsaSigner } from "../../contract/signature.ts";
import { DerReader } from "../x509/der_reader.ts";
import { TAG } from "../x509/der_writer.ts";

/** A public key of P-256 (RFC 7517), with its members in the order that its hash is over (RFC 7638). */
export interface Jwk {
  readonly crv: "P-256";
  readonly kty: "EC";
  readonly x: string;
  readonly y: string;
}

/** `publicKey`: the point, uncompressed. */
export function jwkOf(publicKey: Uint8Array): Jwk {
  const half = (from: number) => encodeBase64Url(publicKey.subarray(from, from + 32));
  return { crv: "P-256", kty: "EC", x: half(1), y: half(33) };
}

/** An account's own key at an authority that knows it by another name (RFC 8555 section 7.3.4). */
export interface ExternalAccount {
  readonly id: string;
  /** Key of HMAC. */
  readonly key: Uint8Array;
}

export interface SignedHead {
  readonly url: string;
  readonly nonce: string;
  /** URL of the account; null = the authority learns the key by this request. */
  readonly account: string | null;
}

/** Signs a request (RFC 8555 section 6.2). `payload`: null = it only asks for what is at the URL. */
export function signRequest(
  payload: object | null,
  { url, nonce, account }: SignedHead,
  signer: EcdsaSigner,
): string {
  const who = account === null ? { jwk: jwkOf(signer.publicKey) } : { kid: account };
  const head = encode({ alg: "ES256", ...who, nonce, url });
  const body = payload === null ? "" : encode(payload);
  const signature = rawSignature(signer.sign(utf8(`${head}.${body}`)));
  return JSON.stringify({
    protected: head,
    payload: body,
    signature: encodeBase64Url(signature),
  });
}

/** Returns what joins an account with that other name: the account's key, under the other one's. */
export function bindAccount(publicKey: Uint8Array, { id, key }: ExternalAccount, url: string) {
  const head = encode({ alg: "HS256", kid: id, url });
  const payload = encode(jwkOf(publicKey));
  const signature = encodeBase64Url(hmac(sha256, key, utf8(`${head}.${payload}`)));
  return { protected: head, payload, signature };
}

/** Returns the text that proves a name in DNS (RFC 8555 section 8.4). */
export function challengeText(token: string, publicKey: Uint8Array): string {
  const thumbprint = encodeBase64Url(sha256(utf8(JSON.stringify(jwkOf(publicKey)))));
  return encodeBase64Url(sha256(utf8(`${token}.${thumbprint}`)));
}

/** Returns both numbers of a signature in DER, one after the other (RFC 7518 section 3.4). */
function rawSignature(der: Uint8Array): Uint8Array {
  const numbers = new DerReader(der).inside(TAG.sequence);
  const part = () => {
    const bytes = numbers.take(TAG.integer);
    const number = bytes[0] === 0 ? bytes.subarray(1) : bytes;
    return concat(new Uint8Array(32 - number.length), number);
  };
  return concat(part(), part());
}

function encode(value: object): string {
  return encodeBase64Url(utf8(JSON.stringify(value)));
}
