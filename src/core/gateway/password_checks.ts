import { isPassword, type PasswordHash, type Scrypt } from "./password_hash.ts";

/** Passwords that are checked in a second: each check takes the processor for some 30 ms. */
const MOST_CHECKS = 8;

/** Checks passwords for all services of an agent, which share its one thread, and not too many. */
export class PasswordChecks {
  readonly #now: () => number;
  readonly #scrypt: Scrypt;
  #second = -Infinity;
  #count = 0;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number, scrypt: Scrypt) {
    this.#now = now;
    this.#scrypt = scrypt;
  }

  /** Null = there are too many to check for now. */
  check(password: Uint8Array, known: PasswordHash): boolean | null {
    const second = Math.floor(this.#now() / 1000);
    if (this.#second !== second) [this.#second, this.#count] = [second, 0];
    return ++this.#count > MOST_CHECKS ? null : isPassword(password, known, this.#scrypt);
  }
}
