import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import type { KeyExchange } from "../../link/v2/secrets.ts";
import { isSealed, openSealed, sealFor, type SharedSecret } from "./sealed_box.ts";

/** Begins an export that is sealed for the cluster's authority: only the authority's key opens it. */
const MAGIC = utf8("ttun core backup 1\n");

/** `authority`: its Ed25519 public key. */
export function sealBackup(
  bytes: Uint8Array,
  authority: Uint8Array,
  o: { exchange: KeyExchange; rng: Rng },
): Uint8Array {
  return sealFor(bytes, authority, { ...o, magic: MAGIC });
}

export function isSealedBackup(bytes: Uint8Array): boolean {
  return isSealed(bytes, MAGIC);
}

/** @throws {TtunError} usage, auth */
export function openBackup(
  bytes: Uint8Array,
  authority: { readonly seed: Uint8Array; readonly publicKey: Uint8Array },
  shared: SharedSecret,
): Uint8Array {
  if (!isSealedBackup(bytes)) throw new TtunError("usage", "This is no backup of a core");
  try {
    return openSealed(bytes, MAGIC, authority, shared);
  } catch (cause) {
    const message = "The backup of the core does not open: it is of another cluster, or damaged";
    throw new TtunError("auth", message, { cause });
  }
}
