import { readU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import { MAX_LIFETIME, type MinuteKeys } from "./keys.ts";

/** A server takes first frames of minutes T-2 to T+1 (`minutesToTry`). */
const SERVER_REACH = 2;

/**
 * Most first frames of one kind and key. Both kinds fill three quarters of a table of 2^21 places
 * (24 MiB): 786 432 connections of one minute, some 13 000 a second.
 */
const MOST = 3 * 2 ** 18;

/** Places of a new table: 1.5 KiB. A power of two. */
const FEWEST_PLACES = 128;

export type NonceKey = Pick<MinuteKeys, "minute" | "otp">;

/**
 * Knowledge of a nonce. All but `new`, which is remembered from now on, are refusals, for good:
 * - `known`: it was received or sent before;
 * - `late`: its minute is out of reach, or was before the clock went back;
 * - `full`: there is no room to remember it.
 */
export type NonceVerdict = "new" | "known" | "late" | "full";

/**
 * Remembers nonces of first frames, both ways. Keys are the same for all connections of a minute,
 * so a recorded first frame would open another connection, and a client's own would do as the
 * server's answer (docs/wire/tt-v1.md, 5.1 and 5.2). Minutes with the same OTP, and so the same
 * key, share a memory, which lasts until the last is out of reach.
 *
 * Ask only about frames that were opened, so that nobody without the password can fill it. A full
 * memory refuses what is new for that key and forgets nothing: else a recorded connection could be
 * repeated as soon as the server is busy. The next minute has another key.
 */
export class NonceMemory {
  readonly #multipliers: Uint32Array;
  readonly #reach: number;
  readonly #most: number;
  readonly #byOtp = new Map<number, KeyNonces>();
  #forgotAt = -1;
  /** First frames of this minute and earlier ones are forgotten. */
  #forgotten = -1;

  /**
   * `reach`: minutes back that first frames come from; longer for clients, whose answer may take
   * its time. `most`: frames of each kind and key.
   */
  constructor(rng: Rng, o: { reach?: number; most?: number } = {}) {
    const drawn = rng(4 * MULTIPLIERS);
    this.#multipliers = Uint32Array.from({ length: MULTIPLIERS }, (_, i) => readU32(drawn, 4 * i));
    this.#reach = o.reach ?? SERVER_REACH;
    this.#most = o.most ?? MOST;
  }

  /** Judges a frame that was opened. `nonce`: 12 bytes and more, borrowed. `now`: this minute. */
  noteReceived(of: NonceKey, nonce: Uint8Array, now: number): NonceVerdict {
    this.#forget(now);
    if (of.minute < now - this.#reach || of.minute <= this.#forgotten) return "late";
    const known = this.#of(of);
    if (known.received >= this.#most) return "full";
    if (!this.#add(known.set, nonce)) return "known";
    known.received++;
    return "new";
  }

  /** Judges a frame to be sent; there is room if each received one is answered by at most one. */
  noteSent(of: NonceKey, nonce: Uint8Array, now: number): NonceVerdict {
    this.#forget(now);
    if (of.minute < now - this.#reach) return "new"; // nobody takes it back from us any more
    const known = this.#of(of);
    if (known.sent >= this.#most) return "full";
    if (!this.#add(known.set, nonce)) return "known";
    known.sent++;
    return "new";
  }

  /** Number of nonces remembered, and the bytes that they take. */
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
      known = { set: new NonceSet(this.#multipliers), received: 0, sent: 0, lastMinute: minute };
      this.#byOtp.set(otp, known);
    }
    known.lastMinute = Math.max(known.lastMinute, minute);
    return known;
  }

  /**
   * Drops keys out of reach. Frames under them stay refused if the clock is set back; if further
   * than a key can live, memory begins anew, or a server that was once in the future would refuse
   * everybody until it comes there.
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

  #add(set: NonceSet, nonce: Uint8Array): boolean {
    if (nonce.length < NONCE_SIZE) {
      throw new TtunError("internal", `Cannot remember a nonce of ${nonce.length} bytes`);
    }
    return set.add(nonce);
  }
}

interface KeyNonces {
  readonly set: NonceSet;
  received: number;
  sent: number;
  /** The last minute that was seen with this OTP. */
  lastMinute: number;
}

const WORDS = NONCE_SIZE / 4;
/** Each half of a word has two multipliers. */
const HALVES = 2 * WORDS;
const MULTIPLIERS = 2 * HALVES;

/** A set by open addressing and linear probing, twelve bytes a place; nothing is removed. */
class NonceSet {
  readonly #multipliers: Uint32Array;
  /** A place of zeros is empty. */
  #words = new Uint32Array(WORDS * FEWEST_PLACES);
  #hasZeros = false;
  count = 0;

  constructor(multipliers: Uint32Array) {
    this.#multipliers = multipliers;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** Returns true when the nonce was not in it yet. */
  add(nonce: Uint8Array): boolean {
    const first = readU32(nonce, 0);
    const second = readU32(nonce, 4);
    const third = readU32(nonce, 8);
    if ((first | second | third) === 0) {
      if (this.#hasZeros) return false;
      this.#hasZeros = true;
    } else if (!this.#put(first, second, third)) return false;
    this.count++;
    if (4 * WORDS * this.count > 3 * this.#words.length) this.#grow(); // more than 3/4 of the places
    return true;
  }

  #put(first: number, second: number, third: number): boolean {
    const words = this.#words;
    const mask = words.length / WORDS - 1;
    for (let place = this.#hash(first, second, third) & mask;; place = (place + 1) & mask) {
      const at = WORDS * place;
      const a = words[at]!;
      const b = words[at + 1]!;
      const c = words[at + 2]!;
      if (a === first && b === second && c === third) return false;
      if ((a | b | c) === 0) {
        words[at] = first;
        words[at + 1] = second;
        words[at + 2] = third;
        return true;
      }
    }
  }

  /** Hashes by random multipliers (Dietzfelbinger et al., 1997), as nonces may be chosen. */
  #hash(first: number, second: number, third: number): number {
    const by = this.#multipliers;
    const high = Math.imul(by[0]!, first >>> 16) + Math.imul(by[1]!, first & 0xffff) +
      Math.imul(by[2]!, second >>> 16) + Math.imul(by[3]!, second & 0xffff) +
      Math.imul(by[4]!, third >>> 16) + Math.imul(by[5]!, third & 0xffff);
    const low = Math.imul(by[6]!, first >>> 16) + Math.imul(by[7]!, first & 0xffff) +
      Math.imul(by[8]!, second >>> 16) + Math.imul(by[9]!, second & 0xffff) +
      Math.imul(by[10]!, third >>> 16) + Math.imul(by[11]!, third & 0xffff);
    // The top bits are the good ones: 16 and 5 make a place of the largest table.
    return ((high >>> 11) & ~0xffff) | (low >>> 16);
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += WORDS) {
      const first = old[at]!;
      const second = old[at + 1]!;
      const third = old[at + 2]!;
      if ((first | second | third) !== 0) this.#put(first, second, third);
    }
  }
}
