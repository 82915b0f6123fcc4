import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { hotp } from "../hop/hotp.ts";

/** Keys from a password and a minute (docs/wire/tt-v1.md, 1.1 and 1.2). */
const OTP_MODULUS = 10 ** 6;
const LIFETIME_MODULUS = 15;
const AEAD_SALT = utf8("ThE=TuNnEL+SaLt-[];',/");
const MASK_SALT = utf8("SaLT.fOr/SiZe+=Xor-");

/** Milliseconds of a minute; minutes are counted from 1970 on, UTC. */
export const MINUTE_MS = 60_000;

/** The longest life of a minute's port and key, in minutes. */
export const MAX_LIFETIME = LIFETIME_MODULUS;

/** More than a server ever asks for at once: four minutes to try, fifteen that may be listened for. */
const CACHED_MINUTES = 32;

/** All that belongs to one minute. The arrays are shared: nobody writes to them. */
export interface MinuteKeys {
  readonly minute: number;
  /** 0 to 999999; ports follow from it (`portOf`). */
  readonly otp: number;
  /** Minutes from the start of `minute` on, 1 to 15. */
  readonly lifetime: number;
  /** K, 32 bytes. */
  readonly aeadKey: Uint8Array;
  /** X, 32 bytes. */
  readonly mask: Uint8Array;
}

/**
 * The minute that a time lies in. A clock before 1970 is one that nobody has set yet: minute 0.
 * @throws {TtunError} `internal` when it is no number
 */
export function minuteOf(unixMs: number): number {
  if (!Number.isFinite(unixMs)) throw new TtunError("internal", `Cannot use ${unixMs} as a time`);
  return Math.max(0, Math.floor(unixMs / MINUTE_MS));
}

/**
 * The minutes whose keys a server tries on a connection's first frame, the likeliest first: a
 * client takes its own clock's minute, which may be two behind ours or one ahead, on any port.
 */
export function minutesToTry(now: number): number[] {
  return [now, now - 1, now + 1, now - 2].filter((minute) => minute >= 0);
}

/** How many minutes the port of an OTP lives, from the start of its own minute on. */
export function lifetimeOf(otp: number): number {
  return otp % LIFETIME_MODULUS + 1;
}

/** The keys of any minute under one password; the last few are kept. */
export class TtKeys implements Disposable {
  readonly #password: Uint8Array;
  readonly #hotpKey: Uint8Array;
  /** By minute, the one that was asked for longest ago first. */
  readonly #cache = new Map<number, MinuteKeys>();
  #isOver = false;

  /** `password`: UTF-8, copied. */
  constructor(password: Uint8Array) {
    this.#password = password.slice();
    this.#hotpKey = sha256(password);
  }

  /**
   * The keys of a minute. Asked for again while they are kept, they are the same object.
   * @throws {TtunError} `internal` for what is no minute, or after dispose
   */
  at(minute: number): MinuteKeys {
    if (this.#isOver) throw new TtunError("internal", "Cannot make keys after their end");
    const known = this.#cache.get(minute);
    const keys = known ?? this.#make(minute);
    if (known !== undefined) this.#cache.delete(minute); // to the end of the order
    this.#cache.set(minute, keys);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED_MINUTES) break;
      this.#cache.delete(oldest);
    }
    return keys;
  }

  #make(minute: number): MinuteKeys {
    const otp = hotp(this.#hotpKey, minute, OTP_MODULUS);
    const digits = utf8(String(otp)); // never padded with zeros
    return {
      minute,
      otp,
      lifetime: lifetimeOf(otp),
      aeadKey: this.#hash(AEAD_SALT, digits),
      mask: this.#hash(MASK_SALT, digits),
    };
  }

  #hash(salt: Uint8Array, digits: Uint8Array): Uint8Array {
    const text = concat(this.#password, salt, digits);
    const hash = sha256(text);
    text.fill(0);
    return hash;
  }

  /** Overwrites the password and the keys that are kept, also for whoever still holds those. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#password.fill(0);
    this.#hotpKey.fill(0);
    for (const { aeadKey, mask } of this.#cache.values()) {
      aeadKey.fill(0);
      mask.fill(0);
    }
    this.#cache.clear();
  }
}
