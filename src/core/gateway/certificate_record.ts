import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { Rng } from "../../contract/host.ts";
import { derive } from "../link/v2/secrets.ts";
import {
  bytesField,
  type Fields,
  listField,
  numberField,
  readFields,
  textField,
} from "../mesh/admission/json.ts";

/** A certificate as the cluster keeps it, with the key. */
export interface KeptCertificate {
  /** PEM, the certificate's own first. */
  readonly chain: readonly string[];
  /** 32 secret bytes of its key. */
  readonly seed: Uint8Array;
  /** Milliseconds since 1970, like all times here. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuedAt: number;
  /** Any node may renew it from then on. */
  readonly renewAt: number;
  /** The authority is asked again then when that is. */
  readonly askAt: number;
}

/** An order that was begun, and has not come to a certificate. */
export interface Attempt {
  /** How many in a row. */
  readonly count: number;
  /** No other order before. */
  readonly until: number;
  /** Why it failed; null = it is under way, or its node has died. */
  readonly words: string | null;
}

/** All that the cluster's core keeps of one certificate. */
export interface CertificateRecord {
  readonly kept: KeptCertificate | null;
  readonly attempt: Attempt | null;
}

const WHAT = "a certificate of the store";
const MAGIC = utf8("ttun cert 1\n");
const NONCE = 24;

/** Prefix of certificates' keys in the store. */
export const CERTIFICATES = "cert/";

export function encodeCertificateRecord({ kept, attempt }: CertificateRecord): Uint8Array {
  return utf8(JSON.stringify({
    ...(kept !== null && { kept: { ...kept, seed: encodeBase64Url(kept.seed) } }),
    ...(attempt !== null && { attempt: { ...attempt, words: attempt.words ?? "" } }),
  }));
}

/** @throws {ProtocolError} */
export function decodeCertificateRecord(bytes: Uint8Array): CertificateRecord {
  const { kept, attempt } = readFields(bytes, WHAT);
  return {
    kept: kept === undefined ? null : readKept(objectOf(kept)),
    attempt: attempt === undefined ? null : readAttempt(objectOf(attempt)),
  };
}

function readKept(fields: Fields): KeptCertificate {
  const text = (item: unknown) => typeof item === "string" ? item : null;
  const time = (name: string) => numberField(fields, name, WHAT);
  return {
    chain: listField(fields, "chain", WHAT, text, 8),
    seed: bytesField(fields, "seed", WHAT, 32),
    notBefore: time("notBefore"),
    notAfter: time("notAfter"),
    issuedAt: time("issuedAt"),
    renewAt: time("renewAt"),
    askAt: time("askAt"),
  };
}

function readAttempt(fields: Fields): Attempt {
  const words = textField(fields, "words", WHAT);
  return {
    count: numberField(fields, "count", WHAT),
    until: numberField(fields, "until", WHAT),
    words: words === "" ? null : words,
  };
}

function objectOf(value: unknown): Fields {
  if (typeof value === "object" && value !== null) return value as Fields;
  throw new ProtocolError(`Cannot read ${WHAT}`);
}

/**
 * Seals what only the cluster's nodes may read, under its secret. `key`: where it is kept; it cannot be
 * moved to another one.
 */
export function sealRecord(
  bytes: Uint8Array,
  o: { readonly key: string; readonly secret: Uint8Array; readonly rng: Rng },
): Uint8Array {
  const nonce = o.rng(NONCE);
  const cipher = xchacha20poly1305(sealingKey(o.secret), nonce, concat(MAGIC, utf8(o.key)));
  return concat(MAGIC, nonce, cipher.encrypt(bytes));
}

/**
 * Opens it under one of the secrets; `isOld`: that is not the first one, which is to be used.
 * @throws {ProtocolError} if it is none, of another cluster or damaged
 */
export function openRecord(
  sealed: Uint8Array,
  o: { readonly key: string; readonly secrets: readonly Uint8Array[] },
): { readonly bytes: Uint8Array; readonly isOld: boolean } {
  const isSealed = sealed.length > MAGIC.length + NONCE && MAGIC.every((b, i) => sealed[i] === b);
  const nonce = sealed.subarray(MAGIC.length, MAGIC.length + NONCE);
  for (const [i, secret] of isSealed ? o.secrets.entries() : []) {
    try {
      const cipher = xchacha20poly1305(sealingKey(secret), nonce, concat(MAGIC, utf8(o.key)));
      return { bytes: cipher.decrypt(sealed.subarray(MAGIC.length + NONCE)), isOld: i > 0 };
    } catch {
      continue; // sealed under another secret, or damaged
    }
  }
  throw new ProtocolError(`Cannot open ${o.key} of the store: it is not sealed by this cluster`);
}

function sealingKey(secret: Uint8Array): Uint8Array {
  return derive(secret, "mesh certificate seal");
}

/** The account of an authority, of which the store has one for each directory. */
export interface KeptAccount {
  readonly seed: Uint8Array;
  readonly url: string | null;
}

export function encodeAccount({ seed, url }: KeptAccount): Uint8Array {
  return utf8(JSON.stringify({ seed: encodeBase64Url(seed), url: url ?? "" }));
}

/** @throws {ProtocolError} */
export function decodeAccount(bytes: Uint8Array): KeptAccount {
  const fields = readFields(bytes, "an account of the store");
  const seed = decodeBase64Url(textField(fields, "seed", WHAT));
  if (seed?.length !== 32) throw new ProtocolError("Cannot read an account of the store");
  const url = textField(fields, "url", WHAT, 2048);
  return { seed, url: url === "" ? null : url };
}
