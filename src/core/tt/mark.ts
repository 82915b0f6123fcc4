import { type _HMAC, hmac } from "@noble/hashes/hmac.js";
import { type _SHA256, sha256 } from "@noble/hashes/sha2.js";
import { constantTimeEqual, utf8 } from "../../base/bytes.ts";
import type { Rng } from "../../contract/host.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";

/**
 * How two ttun ends know each other among tt's existing programs (docs/wire/tt-v1.md, 7): in the random
 * bytes R of the first frame each way, where those programs have padding that nobody looks at,
 *
 *     H = HMAC-SHA-256(K, "ttun" || R[0..12)), R[12..20) = H[0..8), R[20..28) = H[8..16)
 *
 * The first eight bytes are the mark; the second eight say that a TCP connection may outlast the
 * stream that it was opened for. Without K all that looks as random as the rest. It tells no secret
 * and opens nothing. An attacker between the ends can spoil it: they then treat each other as
 * existing programs, or cannot talk.
 */
const LABEL = utf8("ttun");

const PART_SIZE = 8;
const MARK_END = NONCE_SIZE + PART_SIZE;
const LASTING_END = MARK_END + PART_SIZE;
const MARKED_RANDOM = 32;

/**
 * Kind of a peer, as its first frame shows it:
 * - `unmarked`: perhaps one of the existing programs;
 * - `marked`: a ttun, which takes long frames, and a request behind its greeting;
 * - `lasting`: besides, it ends a stream by a frame, so that the next can have its connection.
 */
export type PeerKind = "unmarked" | "marked" | "lasting";

/** Makes and knows one minute's marks. Each connection needs two: what they share is kept. */
export class Marker implements Disposable {
  /** HMAC that has taken in K and the label. */
  readonly #begun: _HMAC<_SHA256>;
  readonly #mac: _HMAC<_SHA256>;
  readonly #digest = new Uint8Array(32);
  readonly #proof = this.#digest.subarray(0, 2 * PART_SIZE);

  /** `aeadKey`: K of the minute, not kept. */
  constructor(aeadKey: Uint8Array) {
    this.#begun = hmac.create(sha256, aeadKey);
    this.#begun.update(LABEL);
    this.#mac = this.#begun.clone();
  }

  /** Returns R of our first frame, 32 new bytes. */
  markedRandom(rng: Rng): Uint8Array {
    const random = rng(MARKED_RANDOM);
    random.set(this.#proofOf(random), NONCE_SIZE);
    return random;
  }

  /** Reads the mark from R, of any length. Its time reveals no more than the result. */
  peerOf(random: Uint8Array): PeerKind {
    if (random.length < MARK_END) return "unmarked";
    const proof = this.#proofOf(random);
    const has = (start: number, end: number) =>
      constantTimeEqual(
        random.subarray(start, end),
        proof.subarray(start - NONCE_SIZE, end - NONCE_SIZE),
      );
    if (!has(NONCE_SIZE, MARK_END)) return "unmarked";
    return random.length >= LASTING_END && has(MARK_END, LASTING_END) ? "lasting" : "marked";
  }

  /** Returns a proof, valid until the next one. */
  #proofOf(random: Uint8Array): Uint8Array {
    this.#begun._cloneInto(this.#mac);
    this.#mac.update(random.subarray(0, NONCE_SIZE)).digestInto(this.#digest);
    return this.#proof;
  }

  [Symbol.dispose](): void {
    this.#begun.destroy();
    this.#mac.destroy();
    this.#digest.fill(0);
  }
}
