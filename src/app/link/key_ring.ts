import { TtunError } from "../../base/errors.ts";
import { isSameKey, type NamedKey } from "../../base/named_key.ts";
import type { Clock } from "../../contract/host.ts";
import { type Hello, HelloReader } from "../../core/link/v2/hello.ts";
import { KeySearch, type KeySearchHost, type ReadyKey } from "./key_search.ts";
import type { StrangerBudget } from "./stranger_budget.ts";

/** Milliseconds between two times that a key's use is told. */
const TOLD_MS = 60_000;

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
  /** Called when the hello is new: a replayed one is a stranger's. */
  use(): void;
}

/** The search for one hello's key. */
export interface RingSearch extends Disposable {
  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): FoundKey | null | undefined;
  /** Resolves when `find` may know more. */
  changed(): Promise<void>;
}

export interface KeyRingOptions {
  readonly clock: Clock;
  /** Borrowed. */
  readonly budget: StrangerBudget;
  /** Called with a key that a client uses, once a minute. */
  readonly onUsed?: (key: NamedKey) => void;
}

interface Entry {
  readonly key: NamedKey;
  isBegun: boolean;
  /** When its use was told, in milliseconds of the clock. */
  toldAt: number;
  readonly revoked: AbortController;
}

/** A key with the secret that was worked out of it. */
interface ReadyEntry extends ReadyKey {
  readonly entry: Entry;
  readonly s: Uint8Array;
}

/**
 * A server's keys, whose secrets are worked out one after the other, while it serves already. They
 * may be replaced by others. Hellos are tried with the keys used last first; those of strangers, which
 * cost a try of each key, have a small share of the processor's time.
 */
export class KeyRing {
  readonly #o: KeyRingOptions;
  readonly #host: KeySearchHost<ReadyEntry>;
  #entries: readonly Entry[];
  /** Those used last, then the others as they became ready. */
  #ready: readonly ReadyEntry[] = [];
  /** Calls of `run` that have not ended. */
  #running = 0;
  /** Secrets that are worked out at the moment. */
  #workers = 0;
  #change = Promise.withResolvers<void>();

  /** `keys`: in the order in which their secrets are worked out. */
  constructor(keys: readonly NamedKey[], o: KeyRingOptions) {
    this.#o = o;
    this.#host = {
      budget: o.budget,
      ready: () => this.#ready,
      isIncomplete: () => this.#running > 0 && this.#ready.length < this.#entries.length,
      changed: () => this.changed(),
    };
    this.#entries = keys.map(newEntry);
  }

  /**
   * Works out all secrets that are missing; those that an earlier call works on are left to it.
   * @throws what `secretOf` throws
   */
  async run(secretOf: (key: NamedKey) => Promise<Uint8Array>): Promise<void> {
    const work = async () => {
      for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
        entry.isBegun = true;
        const s = await secretOf(entry.key);
        if (!this.#entries.includes(entry)) continue;
        this.#ready = [...this.#ready, { entry, s, reader: new HelloReader(s) }];
        this.#tell();
      }
    };
    const workCounted = async () => {
      this.#workers++;
      try {
        await work();
      } finally {
        this.#workers--;
      }
    };
    this.#running++;
    try {
      await Promise.all(Array.from({ length: AT_ONCE - this.#workers }, workCounted));
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
    this.#ready = this.#ready.filter(({ entry }) => this.#entries.includes(entry));
    this.#tell();
    for (const { key, revoked } of gone) revoked.abort(new KeyRevoked(key.name));
  }

  /**
   * Begins to look for the key that a client's hello of version 2, borrowed, is right for. `group`: the
   * address group that it comes from.
   */
  search(hello: Uint8Array, group: string): RingSearch {
    const search = new KeySearch(this.#host, hello, group);
    return {
      find: (unixMs) => {
        const found = search.find(unixMs);
        if (found === null || found === undefined) return found;
        const { key: ready, hello } = found;
        const { key: { name }, revoked: { signal: revoked } } = ready.entry;
        const use = () => {
          search.giveBack();
          this.#use(ready);
        };
        return { hello, name, s: ready.s, revoked, use };
      },
      changed: () => search.changed(),
      [Symbol.dispose]: () => search[Symbol.dispose](),
    };
  }

  #use(ready: ReadyEntry): void {
    const { entry } = ready;
    if (!this.#entries.includes(entry)) return;
    const now = this.#o.clock.now();
    if (this.#ready[0] !== ready) {
      this.#ready = [ready, ...this.#ready.filter((one) => one !== ready)];
    }
    if (now - entry.toldAt >= TOLD_MS) {
      entry.toldAt = now;
      this.#o.onUsed?.(entry.key);
    }
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
  return { key, isBegun: false, toldAt: -Infinity, revoked: new AbortController() };
}
