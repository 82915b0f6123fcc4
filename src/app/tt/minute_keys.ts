import { FrameSecrets } from "../../core/tt/frame.ts";
import { type MinuteKeys, TtKeys } from "../../core/tt/keys.ts";
import type { TtConfig } from "./config.ts";

/** Minutes that are kept though no connection has them: those that a server tries, and a few more. */
const KEPT = 8;

/** What the frames of one minute need, as long as somebody uses it. */
export interface Borrowed extends Disposable {
  readonly keys: MinuteKeys;
  readonly secrets: FrameSecrets;
}

interface Entry {
  readonly keys: MinuteKeys;
  readonly secrets: FrameSecrets;
  users: number;
  /** No longer in the table: it goes with its last user. */
  isDropped: boolean;
}

class Loan implements Borrowed {
  readonly #entry: Entry;
  #isMine = true;

  constructor(entry: Entry) {
    this.#entry = entry;
  }

  get keys(): MinuteKeys {
    return this.#entry.keys;
  }

  get secrets(): FrameSecrets {
    return this.#entry.secrets;
  }

  [Symbol.dispose](): void {
    if (!this.#isMine) return;
    this.#isMine = false;
    const entry = this.#entry;
    entry.users--;
    if (entry.isDropped && entry.users === 0) entry.secrets[Symbol.dispose]();
  }
}

/**
 * The keys and ciphers of one password by minute. All connections of a minute share them (an idle
 * connection has none of its own); a minute that nobody asks for any more goes with its last user.
 */
export class MinuteKeyCache implements Disposable {
  readonly #keys: TtKeys;
  readonly #wire: Pick<TtConfig, "cipher" | "makeCipher">;
  /** The one that was asked for longest ago first. */
  readonly #entries = new Map<number, Entry>();
  /** The last of them. */
  #newest: Entry | null = null;

  /** `password`: UTF-8, copied. */
  constructor(password: Uint8Array, wire: Pick<TtConfig, "cipher" | "makeCipher">) {
    this.#keys = new TtKeys(password);
    this.#wire = wire;
  }

  /** OTP, port and lifetime need no cipher. */
  keysAt(minute: number): MinuteKeys {
    return this.#keys.at(minute);
  }

  borrow(minute: number): Borrowed {
    const entry = this.#newest?.keys.minute === minute ? this.#newest : this.#find(minute);
    entry.users++;
    return new Loan(entry);
  }

  #find(minute: number): Entry {
    const entry = this.#entries.get(minute) ?? this.#make(minute);
    this.#entries.delete(minute);
    this.#entries.set(minute, entry); // to the end of the order
    this.#newest = entry;
    for (const [oldest, old] of this.#entries) {
      if (this.#entries.size <= KEPT) break;
      this.#entries.delete(oldest);
      this.#drop(old);
    }
    return entry;
  }

  #make(minute: number): Entry {
    const { aeadKey, mask, ...others } = this.#keys.at(minute);
    // The cache of keys may be overwritten under a long connection.
    const keys = { ...others, aeadKey: aeadKey.slice(), mask: mask.slice() };
    const { cipher, makeCipher } = this.#wire;
    return {
      keys,
      secrets: new FrameSecrets(keys, cipher, makeCipher),
      users: 0,
      isDropped: false,
    };
  }

  #drop(entry: Entry): void {
    entry.isDropped = true;
    if (entry.users === 0) entry.secrets[Symbol.dispose]();
  }

  /** What is still borrowed goes with its last user. */
  [Symbol.dispose](): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.#entries.clear();
    this.#newest = null;
    this.#keys[Symbol.dispose]();
  }
}
