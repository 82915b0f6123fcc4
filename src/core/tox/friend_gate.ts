import { constantTimeEqual } from "../../base/bytes.ts";

export interface FriendRules {
  /** The secret that a request must have; null = it may have anything. */
  readonly secret: Uint8Array | null;
  /** Public keys of those that may come; empty = anybody. */
  readonly whitelist: readonly Uint8Array[];
}

/** `many`: too many have come lately, and this one was not looked at. */
export type FriendVerdict = "welcome" | "secret" | "whitelist" | "many";

/** Requests whose secret is looked at, of all that may come, within the window of milliseconds. */
const MOST = 60;
const WINDOW = 60_000;

/**
 * Judges the friend requests of a server. Keys of requests cost nothing, so all that may come share a
 * limit; with a whitelist strangers do not use it up.
 */
export class FriendGate {
  readonly #rules: FriendRules;
  #windowFrom = -Infinity;
  #looked = 0;

  constructor(rules: FriendRules) {
    this.#rules = rules;
  }

  /** `now`: milliseconds of a clock that never goes back. */
  judge(publicKey: Uint8Array, message: Uint8Array, now: number): FriendVerdict {
    const { secret, whitelist } = this.#rules;
    if (whitelist.length > 0 && !whitelist.some((key) => constantTimeEqual(key, publicKey))) {
      return "whitelist";
    }
    if (now - this.#windowFrom >= WINDOW) [this.#windowFrom, this.#looked] = [now, 0];
    if (++this.#looked > MOST) return "many";
    // The secret comes with a NUL behind it, as C has strings.
    const given = message.at(-1) === 0 ? message.subarray(0, -1) : null;
    if (secret !== null && (given === null || !constantTimeEqual(secret, given))) return "secret";
    return "welcome";
  }
}
