import { blake2s } from "@noble/hashes/blake2.js";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { derive } from "./secrets.ts";

/** Secrets that are kept; beyond that those that were unused longest are forgotten. */
const MOST_SECRETS = 512;

/** Milliseconds without a use after which a secret is forgotten: its key may be gone. */
const KEPT_MS = 90 * 24 * 3600 * 1000;

/** Bytes of a random value that is hashed with each key, so that no list of hashes fits all files. */
export const SALT_SIZE = 16;

/** Largest size of a file in bytes. */
export const MOST_SECRET_BYTES = 128 * 1024;

const HEAD = "# ttun: salt, then hash of a key, secret, last used; as secret as the keys\n";
const LINE = /^([0-9a-f]{64}) ([0-9a-f]{64}) (\d{1,15})$/;

interface Kept {
  readonly secret: Uint8Array;
  /** Milliseconds since 1970. */
  usedAt: number;
}

/** Secrets that were worked out of keys (secrets.ts), which takes a quarter of a second for each. */
export class KeptSecrets {
  readonly #salt: Uint8Array;
  readonly #byHash = new Map<string, Kept>();

  /** `text`: of a file; one that cannot be read has no secrets. `salt`: for a new file. */
  constructor(text: string, salt: Uint8Array) {
    const [, known] = /^salt ([0-9a-f]{32})$/m.exec(text) ?? [];
    this.#salt = known === undefined ? salt : fromHex(known);
    this.add(text);
  }

  /** Takes over what another program has written meanwhile, with the same salt. */
  add(text: string): void {
    if (!text.includes(`\nsalt ${toHex(this.#salt)}\n`)) return;
    for (const line of text.split("\n")) {
      const [, hash, secret, time] = LINE.exec(line) ?? [];
      if (hash === undefined) continue;
      const usedAt = Math.max(Number(time), this.#byHash.get(hash)?.usedAt ?? 0);
      this.#byHash.set(hash, { secret: fromHex(secret!), usedAt });
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#byHash.get(this.#hashOf(key))?.secret;
  }

  /** Returns when the key was used last, in milliseconds since 1970; 0 = never. */
  usedAt(key: Uint8Array): number {
    return this.#byHash.get(this.#hashOf(key))?.usedAt ?? 0;
  }

  keep(key: Uint8Array, secret: Uint8Array, unixMs: number): void {
    const hash = this.#hashOf(key);
    this.#byHash.set(hash, { secret, usedAt: this.#byHash.get(hash)?.usedAt ?? unixMs });
  }

  use(key: Uint8Array, unixMs: number): void {
    const kept = this.#byHash.get(this.#hashOf(key));
    if (kept !== undefined) kept.usedAt = unixMs;
  }

  /** Returns the text of a file, those used last first. */
  write(unixMs: number): string {
    const lines = [...this.#byHash].filter(([, { usedAt }]) => usedAt > unixMs - KEPT_MS)
      .sort(([, a], [, b]) => b.usedAt - a.usedAt)
      .slice(0, MOST_SECRETS)
      .map(([hash, { secret, usedAt }]) => `${hash} ${toHex(secret)} ${usedAt}\n`);
    return `${HEAD}salt ${toHex(this.#salt)}\n${lines.join("")}`;
  }

  #hashOf(key: Uint8Array): string {
    return toHex(derive(blake2s(key), "kept secret", this.#salt));
  }
}
