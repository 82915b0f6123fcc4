import { type _HMAC, hmac } from "@noble/hashes/hmac.js";
import { type _SHA256, sha256 } from "@noble/hashes/sha2.js";
import { constantTimeEqual, utf8 } from "../../base/bytes.ts";
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

/** Makes and knows the marks of one minute. Each connection needs two: what they share is kept. */
export class Marker implements Disposable {
  /** HMAC that has taken in K and the label. */
  readonly #begun: _HMAC<_SHA256>;
  /** Where a copy of it goes on. */
  readonly #mac: _HMAC<_SHA256>;
  readonly #digest = new Uint8Array(32);
  readonly #mark = this.#digest.subarray(0, MARK_SIZE);

  /** `aeadKey`: K of the minute, not kept. */
  constructor(aeadKey: Uint8Array) {
    this.#begun = hmac.create(sha256, aeadKey);
    this.#begun.update(LABEL);
    this.#mac = this.#begun.clone();
  }

  /** R of a marked frame, 32 new bytes. */
  markedRandom(rng: Rng): Uint8Array {
    const random = rng(MARKED_RANDOM);
    random.set(this.#markOf(random), NONCE_SIZE);
    return random;
  }

  /** Whether R, of any length, has the mark. The time it takes does not depend on what R holds. */
  hasMark(random: Uint8Array): boolean {
    if (random.length < MARK_END) return false;
    return constantTimeEqual(random.subarray(NONCE_SIZE, MARK_END), this.#markOf(random));
  }

  /** Valid until the next one. */
  #markOf(random: Uint8Array): Uint8Array {
    this.#begun._cloneInto(this.#mac);
    this.#mac.update(random.subarray(0, NONCE_SIZE)).digestInto(this.#digest);
    return this.#mark;
  }

  [Symbol.dispose](): void {
    this.#begun.destroy();
    this.#mac.destroy();
    this.#digest.fill(0);
  }
}
