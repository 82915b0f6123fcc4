import { toHex } from "../../base/bytes.ts";

/** How many hellos are remembered; when it is full every new one counts as seen. */
const MOST = 65_536;

/** A hello is stale after 120 s; its sender's clock may be 120 s ahead. */
const KEEP_MS = 250_000;

/** The random parts of hellos that were right and fresh: each one opens one handshake. */
export class ReplayMemory {
  readonly #seen = new Map<string, number>();

  /** Whether `random` (8 bytes) is new; it is remembered until its hello would be stale. */
  isNew(random: Uint8Array, unixMs: number): boolean {
    this.#forget(unixMs);
    const key = toHex(random);
    if (this.#seen.has(key) || this.#seen.size >= MOST) return false;
    this.#seen.set(key, unixMs);
    return true;
  }

  /** The oldest come first, as a Map keeps them. */
  #forget(unixMs: number): void {
    for (const [key, since] of this.#seen) {
      if (Math.abs(unixMs - since) < KEEP_MS) return;
      this.#seen.delete(key);
    }
  }
}
