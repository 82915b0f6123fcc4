import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat, utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import { derive } from "../../link/v2/secrets.ts";

/** `MAGIC | nonce, 24 bytes | XChaCha20-Poly1305 of the export, with MAGIC as associated data`. */
const MAGIC = utf8("ttun core backup 1\n");
const NONCE = 24;

/** Bytes of a cluster's sealing key. */
export const SEALING_KEY = 32;

/** Seals an export of a core, so that nodes may keep it that must not read it. */
export function sealBackup(bytes: Uint8Array, key: Uint8Array, rng: Rng): Uint8Array {
  const nonce = rng(NONCE);
  return concat(MAGIC, nonce, xchacha20poly1305(key, nonce, MAGIC).encrypt(bytes));
}

export function isSealedBackup(bytes: Uint8Array): boolean {
  return bytes.length > MAGIC.length + NONCE && MAGIC.every((byte, i) => bytes[i] === byte);
}

/** @throws {TtunError} usage, auth */
export function openBackup(bytes: Uint8Array, key: Uint8Array): Uint8Array {
  if (!isSealedBackup(bytes)) throw new TtunError("usage", "This is no backup of a core");
  const nonce = bytes.subarray(MAGIC.length, MAGIC.length + NONCE);
  try {
    const cipher = xchacha20poly1305(key, nonce, MAGIC);
    return cipher.decrypt(bytes.subarray(MAGIC.length + NONCE));
  } catch (cause) {
    const message = "The backup of the core does not open: it is of another cluster, or damaged";
    throw new TtunError("auth", message, { cause });
  }
}

/** The key of a cluster's backups, from its authority's: without a copy of that no core is restored. */
export function sealingKeyOf(authoritySeed: Uint8Array): Uint8Array {
  return derive(null, "mesh seal", authoritySeed);
}
