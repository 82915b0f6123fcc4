import { blake2s } from "@noble/hashes/blake2.js";
import { readU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import { MAX_LIFETIME, type MinuteKeys } from "./keys.ts";

/** A server takes first frames of minutes T-2 to T+1 (`minutesToTry`). */
const SERVER_REACH = 2;

/**
 * First frames of one kind and one key. Both kinds together fill three quarters of a table of 2^20
 * places (8 MiB): 393 216 connections of one minute, some 6500 a second.
 */
const MOST = 3 * 2 ** 17;

/** Places of a table that has just begun: 1 KiB. A power of two. */
const FEWEST_PLACES = 128;

/** Whose nonces are asked about. */
export type NonceKey = Pick<MinuteKeys, "minute" | "otp">;

/**
 * What is known of a nonce:
 * - `new`: nothing; it is remembered from now on. All others are refusals, for good:
 * - `known`: it was received or sent before;
 * - `late`: its minute is out of reach, or was before the clock went back, and so is forgotten;
 * - `full`: there is no room to remember it.
 */
export type NonceVerdict = "new" | "known" | "late" | "full";

/**
 * The nonces of connections' first frames, received and sent. tt's keys are the same for all
 * connections of a minute and both directions, so that a recorded first frame would open another
 * connection, and a client's own would do as the server's answer (docs/tt-v1.md, 5.1 and 5.2).
 *
 * Nonces are kept by OTP, since that is all that a key depends on: minutes with the same OTP share
 * one memory, which lasts until the last of them is out of reach. Only frames that were opened may
 * be asked about, so that nobody without the password can fill it.
 *
 * A full memory refuses what is new, for that one key, and forgets nothing: forgetting would let
 * whoever recorded a connection repeat it, without the password, as soon as the server is busy. The
 * refusal ends by itself, for the next minute has another key.
 */
export class NonceMemory {
  readonly #hashKey: Uint8Array;
  readonly #reach: number;
  readonly #most: number;
  readonly #byOtp = new Map<number, KeyNonces>();
  #forgotAt = -1;
  /** First frames of this minute and earlier ones have been received and are forgotten. */
  #forgotten = -1;

  /**
   * `reach`: how many minutes back first frames are received from; a client, whose answer may take
   * its time, has a longer one than a server. `most`: frames of each kind for one key.
   */
  constructor(rng: Rng, o: { reach?: number; most?: number } = {}) {
    this.#hashKey = rng(32);
    this.#reach = o.reach ?? SERVER_REACH;
    this.#most = o.most ?? MOST;
  }

  /**
   * A first frame was received and has been opened: only where it is new may it be used, and it is
   * then remembered. `nonce`: 12 bytes, borrowed. `now`: this minute.
   */
  noteReceived(of: NonceKey, nonce: Uint8Array, now: number): NonceVerdict {
    this.#forget(now);
    if (of.minute < now - this.#reach || of.minute <= this.#forgotten) return "late";
    const known = this.#of(of);
    if (known.received >= this.#most) return "full";
    if (!known.set.add(this.#hash(nonce))) return "known";
    known.received++;
    return "new";
  }

  /**
   * A first frame is about to be sent: only where it is new may it be. As long as each frame that
   * was received is answered by at most one, there is room for the answer.
   */
  noteSent(of: NonceKey, nonce: Uint8Array, now: number): NonceVerdict {
    this.#forget(now);
    if (of.minute < now - this.#reach) return "new"; // nobody takes it back from us any more
    const known = this.#of(of);
    if (known.sent >= this.#most) return "full";
    if (!known.set.add(this.#hash(nonce))) return "known";
    known.sent++;
    return "new";
  }

  /** How many nonces are remembered, and the bytes that takes. */
  get size(): { nonces: number; bytes: number } {
    let [nonces, bytes] = [0, 0];
    for (const { set } of this.#byOtp.values()) {
      nonces += set.count;
      bytes += set.bytes;
    }
    return { nonces, bytes };
  }

  #of({ minute, otp }: NonceKey): KeyNonces {
    let known = this.#byOtp.get(otp);
    if (known === undefined) {
      known = { set: new HashSet(), received: 0, sent: 0, lastMinute: minute };
      this.#byOtp.set(otp, known);
    }
    known.lastMinute = Math.max(known.lastMinute, minute);
    return known;
  }

  /**
   * Drops the keys that are out of reach. What was received under them stays refused if the clock
   * is set back; if it is set back further than a key can live, that is a new beginning, or a
   * server that had once been in the future would refuse everybody until it comes there.
   */
  #forget(now: number): void {
    if (now === this.#forgotAt) return;
    this.#forgotAt = now;
    const latest = now + MAX_LIFETIME;
    for (const [otp, { lastMinute, received }] of this.#byOtp) {
      if (lastMinute >= now - this.#reach && lastMinute <= latest) continue;
      this.#byOtp.delete(otp);
      if (received > 0 && lastMinute < now) {
        this.#forgotten = Math.max(this.#forgotten, lastMinute);
      }
    }
    if (this.#forgotten > latest) this.#forgotten = -1;
  }

  /** 64 bits, under a key of our own: who has the password could choose nonces that collide. */
  #hash(nonce: Uint8Array): Uint8Array {
    if (nonce.length !== NONCE_SIZE) {
      throw new TtunError("internal", `Cannot remember a nonce of ${nonce.length} bytes`);
    }
    return blake2s(nonce, { key: this.#hashKey, dkLen: 8 });
  }
}

/** What is remembered of one key. */
interface KeyNonces {
  readonly set: HashSet;
  received: number;
  sent: number;
  /** The last minute that was seen with this OTP. */
  lastMinute: number;
}

/** A set of 64-bit hashes: open addressing, linear probing, eight bytes a place, nothing removed. */
class HashSet {
  /** High and low words, in turn; a low word of 0 = nobody's place. */
  #words = new Uint32Array(2 * FEWEST_PLACES);
  count = 0;

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** Whether the 8 bytes were not in it yet. */
  add(hash: Uint8Array): boolean {
    const high = readU32(hash, 0);
    const low = readU32(hash, 4) || 1; // a hash is never nobody's
    if (!this.#put(high, low)) return false;
    this.count++;
    if (8 * this.count > 3 * this.#words.length) this.#grow(); // more than 3/4 of the places
    return true;
  }

  #put(high: number, low: number): boolean {
    const words = this.#words;
    const mask = words.length - 1;
    for (let at = (2 * low) & mask;; at = (at + 2) & mask) {
      if (words[at] === high && words[at + 1] === low) return false;
      if (words[at + 1] === 0) {
        words[at] = high;
        words[at + 1] = low;
        return true;
      }
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) this.#put(old[at]!, old[at + 1]!);
    }
  }
}
