import type { Hello, HelloReader } from "../../core/link/v2/hello.ts";
import { type StrangerBudget, StrangerTurn } from "./stranger_budget.ts";

/** A key whose secret is ready. */
export interface ReadyKey {
  readonly reader: HelloReader;
}

export interface KeySearchHost<K extends ReadyKey> {
  readonly budget: StrangerBudget;
  /** Those that are ready, those used last first; another list when they have changed. */
  readonly ready: () => readonly K[];
  /** More will be ready. */
  readonly isIncomplete: () => boolean;
  /** Resolves when there are others. */
  readonly changed: () => Promise<void>;
}

/** A key that a hello is right for. */
interface Match<K> {
  readonly key: K;
  readonly hello: Hello;
}

/**
 * The search for the key that one hello is right for, which tries each key once: the one used last at
 * once, whatever strangers cost, all others in its turn.
 */
export class KeySearch<K extends ReadyKey> implements Disposable {
  readonly #host: KeySearchHost<K>;
  readonly #hello: Uint8Array;
  readonly #tried = new Set<K>();
  /** A list all of whose keys were tried. */
  #allTried: readonly K[] | null = null;
  readonly #turn: StrangerTurn;

  /** The hello is borrowed. `group`: the address group that it comes from. */
  constructor(host: KeySearchHost<K>, hello: Uint8Array, group: string) {
    this.#host = host;
    this.#hello = hello;
    this.#turn = new StrangerTurn(host.budget, group);
  }

  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): Match<K> | null | undefined {
    if (this.#turn.coming !== null) return undefined;
    const { isIncomplete, ready } = this.#host;
    const keys = ready();
    if (this.#allTried !== keys) {
      let found = this.#tried.size === 0 ? this.#try(keys.slice(0, 1), unixMs) : null;
      if (found !== null) return found;
      const left = keys.filter((key) => !this.#tried.has(key));
      const tryAll = () => {
        found = this.#try(left, unixMs);
      };
      if (left.length > 0 && !this.#turn.run(tryAll)) return undefined;
      if (found !== null) return found;
      this.#allTried = keys;
    }
    return isIncomplete() ? undefined : null;
  }

  #try(keys: readonly K[], unixMs: number): Match<K> | null {
    for (const key of keys) {
      this.#tried.add(key);
      const hello = key.reader.read(this.#hello, unixMs);
      if (hello !== null) return { key, hello };
    }
    return null;
  }

  /** The hello is right and new: its search is not charged to strangers. */
  giveBack(): void {
    this.#turn.giveBack();
  }

  /** Resolves when `find` may know more. */
  changed(): Promise<void> {
    return this.#turn.coming ?? this.#host.changed();
  }

  [Symbol.dispose](): void {
    this.#turn[Symbol.dispose]();
  }
}
