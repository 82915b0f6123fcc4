import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import { derive, type KeyExchange } from "../../link/v2/secrets.ts";
import { montgomeryOf } from "../../x509/montgomery.ts";

/**
 * `MAGIC | X25519 public key, 32 bytes | nonce, 24 bytes | XChaCha20-Poly1305 of the export`, sealed for
 * the cluster's authority: any node with the core can seal, and only the authority's key opens.
 */
const MAGIC = utf8("ttun core backup 1\n");
const KEY = 32;
const NONCE = 24;
const HEAD = MAGIC.length + KEY + NONCE;

/** X25519 with a private key of 32 bytes. */
export type SharedSecret = (privateKey: Uint8Array, theirs: Uint8Array) => Uint8Array;

/** `authority`: its Ed25519 public key. */
export function sealBackup(
  bytes: Uint8Array,
  authority: Uint8Array,
  o: { exchange: KeyExchange; rng: Rng },
): Uint8Array {
  const pair = o.exchange.newKeyPair();
  const theirs = montgomeryOf(authority);
  const key = sealingKey(pair.shared(theirs), pair.publicKey, theirs);
  const nonce = o.rng(NONCE);
  const sealed = xchacha20poly1305(key, nonce, MAGIC).encrypt(bytes);
  return concat(MAGIC, pair.publicKey, nonce, sealed);
}

export function isSealedBackup(bytes: Uint8Array): boolean {
  return bytes.length > HEAD && MAGIC.every((byte, i) => bytes[i] === byte);
}

/** @throws {TtunError} usage, auth */
export function openBackup(
  bytes: Uint8Array,
  authority: { readonly seed: Uint8Array; readonly publicKey: Uint8Array },
  shared: SharedSecret,
): Uint8Array {
  if (!isSealedBackup(bytes)) throw new TtunError("usage", "This is no backup of a core");
  const theirs = bytes.subarray(MAGIC.length, MAGIC.length + KEY);
  const nonce = bytes.subarray(MAGIC.length + KEY, HEAD);
  try {
    // RFC 8032 section 5.1.5: the same scalar is the Ed25519 key.
    const privateKey = sha512(authority.seed).subarray(0, KEY);
    const key = sealingKey(shared(privateKey, theirs), theirs, montgomeryOf(authority.publicKey));
    return xchacha20poly1305(key, nonce, MAGIC).decrypt(bytes.subarray(HEAD));
  } catch (cause) {
    const message = "The backup of the core does not open: it is of another cluster, or damaged";
    throw new TtunError("auth", message, { cause });
  }
}

function sealingKey(shared: Uint8Array, ours: Uint8Array, theirs: Uint8Array): Uint8Array {
  return derive(shared, "mesh seal", ours, theirs);
}
