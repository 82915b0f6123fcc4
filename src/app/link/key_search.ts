import type { Hello, HelloReader } from "../../core/link/v2/hello.ts";
import { type StrangerBudget, StrangerTurn } from "./stranger_budget.ts";

/** Keys, those used last, that each hello is tried with at once, whatever strangers cost. */
const RECENT = 8;

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

/** The search for the key that one hello is right for, which tries each key once. */
export class KeySearch<K extends ReadyKey> implements Disposable {
  readonly #host: KeySearchHost<K>;
  readonly #hello: Uint8Array;
  readonly #tried = new Set<K>();
  /** A list all of whose keys were tried. */
  #allTried: readonly K[] | null = null;
  readonly #turn: StrangerTurn;

  /** The hello is borrowed. */
  constructor(host: KeySearchHost<K>, hello: Uint8Array) {
    this.#host = host;
    this.#hello = hello;
    this.#turn = new StrangerTurn(host.budget);
  }

  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): { readonly key: K; readonly hello: Hello } | null | undefined {
    const { budget, isIncomplete, ready } = this.#host;
    const keys = ready();
    const recent = this.#try(keys, RECENT, unixMs);
    if (recent !== null) return recent;
    if (keys.length > RECENT && this.#allTried !== keys) {
      if (!this.#turn.mayGoOn()) return undefined;
      const all = () => this.#try(keys, keys.length, unixMs);
      const found = budget.run(all, (found) => found === null);
      if (found !== null) return found;
      this.#allTried = keys;
    }
    return isIncomplete() ? undefined : null;
  }

  #try(keys: readonly K[], most: number, unixMs: number) {
    for (let i = 0; i < Math.min(most, keys.length); i++) {
      const key = keys[i]!;
      if (this.#tried.has(key)) continue;
      this.#tried.add(key);
      const hello = key.reader.read(this.#hello, unixMs);
      if (hello !== null) return { key, hello };
    }
    return null;
  }

  /** Resolves when `find` may know more. */
  changed(): Promise<void> {
    return this.#turn.coming ?? this.#host.changed();
  }

  [Symbol.dispose](): void {
    this.#turn[Symbol.dispose]();
  }
}
