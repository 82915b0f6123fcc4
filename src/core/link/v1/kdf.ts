import { blake2s } from "@noble/hashes/blake2.js";
import { concat, utf8 } from "../../../base/bytes.ts";

/** Keys are unkeyed BLAKE2s-256, labels without terminator (docs/wire/ttun-v1.md, "Keys"). */
const PSK_LABEL = utf8("ttun/psk/v1");
const SESSION_LABEL = utf8("ttun/sk/v1");

/** Derives `K`, 32 bytes, from the pre-shared key. */
export function pskKey(psk: Uint8Array): Uint8Array {
  return blake2s(concat(PSK_LABEL, psk));
}

/** Derives `SK`, 32 bytes, of one session. */
export function sessionKey(
  k: Uint8Array,
  clientNonce: Uint8Array,
  serverNonce: Uint8Array,
): Uint8Array {
  return blake2s(concat(SESSION_LABEL, k, clientNonce, serverNonce));
}
