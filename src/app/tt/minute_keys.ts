import { FrameSecrets } from "../../core/tt/frame.ts";
import { type MinuteKeys, TtKeys } from "../../core/tt/keys.ts";
import type { TtConfig } from "./config.ts";

/** Unused minutes that are kept: those that a server tries, and a few more. */
const KEPT = 8;

export interface MinuteKeysLease extends Disposable {
  readonly keys: MinuteKeys;
  readonly secrets: FrameSecrets;
}

interface Entry {
  readonly keys: MinuteKeys;
  readonly secrets: FrameSecrets;
  users: number;
  /** Removed from the table; the last user disposes of it. */
  isDropped: boolean;
}

class Loan implements MinuteKeysLease {
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

/** Connections of a minute share its keys, so that an idle one costs little. */
export class MinuteKeyCache implements Disposable {
  readonly #keys: TtKeys;
  readonly #wire: Pick<TtConfig, "cipher" | "makeCipher">;
  /** The least recently borrowed one comes first. */
  readonly #entries = new Map<number, Entry>();
  #newest: Entry | null = null;

  /** The password is UTF-8 and is copied. */
  constructor(password: Uint8Array, wire: Pick<TtConfig, "cipher" | "makeCipher">) {
    this.#keys = new TtKeys(password);
    this.#wire = wire;
  }

  /** Returns OTP, port and lifetime without making a cipher. */
  keysAt(minute: number): MinuteKeys {
    return this.#keys.at(minute);
  }

  borrow(minute: number): MinuteKeysLease {
    const entry = this.#newest?.keys.minute === minute ? this.#newest : this.#find(minute);
    entry.users++;
    return new Loan(entry);
  }

  #find(minute: number): Entry {
    const entry = this.#entries.get(minute) ?? this.#make(minute);
    this.#entries.delete(minute);
    this.#entries.set(minute, entry); // moves it to the end
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
    // A copy: the cache of TtKeys may be overwritten while a long connection uses them.
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

  /** Borrowed minutes stay usable until they are given back. */
  [Symbol.dispose](): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.#entries.clear();
    this.#newest = null;
    this.#keys[Symbol.dispose]();
  }
}
