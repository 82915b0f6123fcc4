import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat } from "../../../base/bytes.ts";
import type { Rng } from "../../../contract/host.ts";
import { derive, type KeyExchange } from "../../link/v2/secrets.ts";
import { montgomeryOf } from "../../x509/montgomery.ts";

/**
 * `magic | X25519 public key, 32 bytes | nonce, 24 bytes | XChaCha20-Poly1305`, sealed for the owner of
 * an Ed25519 key. The magic says what it is, and is authenticated.
 */
const KEY = 32;
const NONCE = 24;

/** X25519 with a private key of 32 bytes. */
export type SharedSecret = (privateKey: Uint8Array, theirs: Uint8Array) => Uint8Array;

/** `owner`: an Ed25519 public key. */
export function sealFor(
  bytes: Uint8Array,
  owner: Uint8Array,
  o: { magic: Uint8Array; exchange: KeyExchange; rng: Rng },
): Uint8Array {
  const pair = o.exchange.newKeyPair();
  const theirs = montgomeryOf(owner);
  const key = sealingKey(pair.shared(theirs), pair.publicKey, theirs);
  const nonce = o.rng(NONCE);
  const sealed = xchacha20poly1305(key, nonce, o.magic).encrypt(bytes);
  return concat(o.magic, pair.publicKey, nonce, sealed);
}

export function isSealed(bytes: Uint8Array, magic: Uint8Array): boolean {
  return bytes.length > magic.length + KEY + NONCE && magic.every((byte, i) => bytes[i] === byte);
}

/** Opens what has the magic. @throws what the cipher throws, for another owner's and for what is damaged */
export function openSealed(
  bytes: Uint8Array,
  magic: Uint8Array,
  owner: { readonly seed: Uint8Array; readonly publicKey: Uint8Array },
  shared: SharedSecret,
): Uint8Array {
  const head = magic.length + KEY;
  const theirs = bytes.subarray(magic.length, head);
  const nonce = bytes.subarray(head, head + NONCE);
  // RFC 8032 section 5.1.5: the same scalar is the Ed25519 key.
  const privateKey = sha512(owner.seed).subarray(0, KEY);
  const key = sealingKey(shared(privateKey, theirs), theirs, montgomeryOf(owner.publicKey));
  return xchacha20poly1305(key, nonce, magic).decrypt(bytes.subarray(head + NONCE));
}

function sealingKey(shared: Uint8Array, ours: Uint8Array, theirs: Uint8Array): Uint8Array {
  return derive(shared, "mesh seal", ours, theirs);
}
