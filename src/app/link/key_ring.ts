import { TtunError } from "../../base/errors.ts";
import { isSameKey, type NamedKey } from "../../base/named_key.ts";
import { type Hello, readClientHello } from "../../core/link/v2/hello.ts";

/** Secrets of version 2 that are worked out at the same time: each takes 32 MiB and a core. */
const AT_ONCE = 2;

/** A hello, and the key that it is right for. */
export interface FoundKey {
  readonly hello: Hello;
  /** The key's name; "" where there is one key alone. */
  readonly name: string;
  /** Its secret of version 2 (core/link/v2/secrets.ts), borrowed. */
  readonly s: Uint8Array;
  /** Aborts when the key is taken back. */
  readonly revoked: AbortSignal;
}

/** The search for one hello's key, which tries each key once. */
export interface KeySearch {
  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): FoundKey | null | undefined;
}

/** A key with the secret that is worked out of it. */
interface Entry {
  readonly key: NamedKey;
  /** Null until it is ready. */
  s: Uint8Array | null;
  isBegun: boolean;
  readonly revoked: AbortController;
}

/**
 * A server's keys, whose secrets are worked out one after the other, while it serves already. They
 * may be replaced by others.
 */
export class KeyRing {
  #entries: readonly Entry[];
  /** Entries whose secrets are ready, in the order in which they were. */
  #ready: readonly Entry[] = [];
  /** Calls of `run` that have not ended. */
  #running = 0;
  #change = Promise.withResolvers<void>();

  constructor(keys: readonly NamedKey[]) {
    this.#entries = keys.map(newEntry);
  }

  /** Works out all secrets that are missing. @throws what `secretOf` throws */
  async run(secretOf: (key: NamedKey) => Promise<Uint8Array>): Promise<void> {
    const work = async () => {
      for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
        entry.isBegun = true;
        entry.s = await secretOf(entry.key);
        if (!this.#entries.includes(entry)) continue;
        this.#ready = [...this.#ready, entry];
        this.#tell();
      }
    };
    this.#running++;
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      this.#running--;
      this.#tell();
    }
  }

  #next(): Entry | undefined {
    return this.#entries.find(({ isBegun }) => !isBegun);
  }

  /**
   * Has `keys` in place of those that there are, whose names and passwords stay; `run` is to be called
   * for new ones. Clients of keys that are gone lose their sessions.
   */
  replace(keys: readonly NamedKey[]): void {
    const before = this.#entries;
    this.#entries = keys.map((key) =>
      before.find((old) => isSameKey(old.key, key)) ?? newEntry(key)
    );
    const gone = before.filter((entry) => !this.#entries.includes(entry));
    this.#ready = this.#ready.filter((entry) => this.#entries.includes(entry));
    this.#tell();
    for (const { key, revoked } of gone) revoked.abort(new KeyRevoked(key.name));
  }

  /** Begins to look for the key that a client's hello of version 2, borrowed, is right for. */
  search(hello: Uint8Array): KeySearch {
    let tried: ReadonlySet<Entry> = new Set();
    return {
      find: (unixMs) => {
        for (const entry of this.#ready) {
          if (tried.has(entry)) continue;
          const { key: { name }, revoked: { signal: revoked } } = entry;
          const s = entry.s!;
          const found = readClientHello(s, hello, unixMs);
          if (found === null) continue;
          return { hello: found, name, s, revoked };
        }
        const isMissing = this.#running > 0 && this.#ready.length < this.#entries.length;
        if (!isMissing) return null;
        tried = new Set(this.#ready);
        return undefined;
      },
    };
  }

  /** Resolves when another secret is ready, none will be, or there are other keys. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  #tell(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** Why a client whose key is gone loses its session. */
class KeyRevoked extends TtunError {
  constructor(name: string) {
    super("auth", `The key of ${name} has been taken back`);
  }
}

function newEntry(key: NamedKey): Entry {
  return { key, s: null, isBegun: false, revoked: new AbortController() };
}
