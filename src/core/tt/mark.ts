import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, constantTimeEqual, utf8 } from "../../base/bytes.ts";
import type { Rng } from "../../contract/host.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";

/**
 * How two ttun ends know each other among tt's existing programs (docs/tt-v1.md, 7): in the random
 * bytes R of the first frame each way, where those programs have padding that nobody looks at,
 *
 *     R[12..20) = HMAC-SHA-256(K, "ttun" || R[0..12))[0..8)
 *
 * Without K it looks as random as the rest. It tells no secret and opens nothing; whoever is
 * between the ends can spoil it, and they then treat each other as existing programs.
 */
const LABEL = utf8("ttun");
const MARK_SIZE = 8;
const MARK_END = NONCE_SIZE + MARK_SIZE;
const MARKED_RANDOM = 32;

/** R of a marked frame, 32 new bytes. `aeadKey` is K of the frame's minute. */
export function markedRandom(aeadKey: Uint8Array, rng: Rng): Uint8Array {
  const random = rng(MARKED_RANDOM);
  random.set(markOf(aeadKey, random), NONCE_SIZE);
  return random;
}

/** Whether R, of any length, has the mark. The time it takes does not depend on what R holds. */
export function hasMark(aeadKey: Uint8Array, random: Uint8Array): boolean {
  if (random.length < MARK_END) return false;
  return constantTimeEqual(random.subarray(NONCE_SIZE, MARK_END), markOf(aeadKey, random));
}

function markOf(aeadKey: Uint8Array, random: Uint8Array): Uint8Array {
  const nonce = random.subarray(0, NONCE_SIZE);
  return hmac(sha256, aeadKey, concat(LABEL, nonce)).subarray(0, MARK_SIZE);
}
