import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { isLinkRequest } from "./link_request.ts";

export interface FriendRules {
  /** The secret that a request must have; null = it may have anything. */
  readonly secret: Uint8Array | null;
  /** Public keys of those that may come; empty = anybody. */
  readonly whitelist: readonly Uint8Array[];
}

/**
 * `link`: the friend may have streams alone, on which it proves the key. `many`: too many have come
 * lately that showed nothing, and this one is another.
 */
export type FriendVerdict = "welcome" | "link" | "secret" | "whitelist" | "many";

/** Requests that are let in without anything to show, within the window of milliseconds. */
const MOST = 60;
const WINDOW = 60_000;

/** Keys of friends that proved themselves, the latest of which are kept. */
const MOST_PROVED = 1024;

/**
 * Judges the friend requests of a server. Keys of requests cost nothing, so a limit for each key would
 * be none, and a limit for all would let a flood of wrong secrets keep out those with the right one:
 * a comparison takes less than the library's work for a request, so every secret is compared. Only
 * those that show neither a secret nor a key of the whitelist share a limit, in which friends do not
 * count that proved a link's key before: a flood keeps them out no more.
 */
export class FriendGate {
  readonly #rules: FriendRules;
  #windowFrom = -Infinity;
  #taken = 0;
  /** The oldest first. */
  readonly #proved = new Set<string>();

  constructor(rules: FriendRules) {
    this.#rules = rules;
  }

  /** `now`: milliseconds of a clock that never goes back. */
  judge(publicKey: Uint8Array, message: Uint8Array, now: number): FriendVerdict {
    const { secret, whitelist } = this.#rules;
    if (whitelist.length > 0 && !whitelist.some((key) => constantTimeEqual(key, publicKey))) {
      return "whitelist";
    }
    const isLink = isLinkRequest(message);
    if (secret !== null && !isLink) return isSecret(secret, message) ? "welcome" : "secret";
    const isProved = isLink && this.#proved.has(toHex(publicKey));
    if (whitelist.length === 0 && !isProved && !this.#hasPlace(now)) return "many";
    return isLink ? "link" : "welcome";
  }

  /** A friend of verdict `link` has proved the link's key. */
  prove(publicKey: Uint8Array): void {
    const key = toHex(publicKey);
    this.#proved.delete(key);
    this.#proved.add(key);
    if (this.#proved.size <= MOST_PROVED) return;
    const [oldest] = this.#proved;
    this.#proved.delete(oldest!);
  }

  #hasPlace(now: number): boolean {
    if (now - this.#windowFrom >= WINDOW) [this.#windowFrom, this.#taken] = [now, 0];
    return ++this.#taken <= MOST;
  }
}

/** In constant time; the secret comes with a NUL behind it, as C has strings. */
function isSecret(secret: Uint8Array, message: Uint8Array): boolean {
  return message.at(-1) === 0 && constantTimeEqual(secret, message.subarray(0, -1));
}
