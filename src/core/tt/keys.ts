import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { hotp } from "../hop/hotp.ts";

/** Derives the keys of a password and a minute (docs/wire/tt-v1.md, 1.1 and 1.2). */
const OTP_MODULUS = 10 ** 6;
const LIFETIME_MODULUS = 15;
const AEAD_SALT = utf8("ThE=TuNnEL+SaLt-[];',/");
const MASK_SALT = utf8("SaLT.fOr/SiZe+=Xor-");

/** The longest life of a minute's port and key, in minutes. */
export const MAX_LIFETIME = LIFETIME_MODULUS;

/** More than a server asks for at once: four minutes to try, fifteen to listen for. */
const CACHED_MINUTES = 32;

/** All that belongs to one minute. The arrays are shared: nobody writes to them. */
export interface MinuteKeys {
  readonly minute: number;
  /** A number from 0 to 999999; ports follow from it (`portOf`). */
  readonly otp: number;
  /** Minutes from the start of `minute` on, 1 to 15. */
  readonly lifetime: number;
  /** The key K of 32 bytes (docs/wire/tt-v1.md, 1.1). */
  readonly aeadKey: Uint8Array;
  /** The mask X of 32 bytes (docs/wire/tt-v1.md, 1.1). */
  readonly mask: Uint8Array;
}

/** Returns minutes to try, the likeliest first: a client's clock may be two behind or one ahead. */
export function minutesToTry(now: number): number[] {
  return [now, now - 1, now + 1, now - 2].filter((minute) => minute >= 0);
}

/** Returns how many minutes an OTP's port lives, from the start of its own minute on. */
export function lifetimeOf(otp: number): number {
  return otp % LIFETIME_MODULUS + 1;
}

/** The keys of any minute under one password; the last few are kept. */
export class TtKeys implements Disposable {
  readonly #password: Uint8Array;
  readonly #hotpKey: Uint8Array;
  /** Keys by minute, the one that was asked for longest ago first. */
  readonly #cache = new Map<number, MinuteKeys>();
  #isOver = false;

  /** The password is UTF-8 and is copied. */
  constructor(password: Uint8Array) {
    this.#password = password.slice();
    this.#hotpKey = sha256(password);
  }

  /** Returns keys, shared while kept. @throws {TtunError} `internal`, also after dispose */
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

  /** Overwrites the password and the kept keys, also for other holders of those. */
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
