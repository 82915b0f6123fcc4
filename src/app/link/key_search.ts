import type { Hello, HelloReader } from "../../core/link/v2/hello.ts";
import type { StrangerBudget } from "./stranger_budget.ts";

/** Keys, those used last, that each hello is tried with at once, whatever strangers cost. */
const RECENT = 8;

/** A key whose secret is ready. */
export interface ReadyKey {
  readonly reader: HelloReader;
}

export interface KeySearchHost<K extends ReadyKey> {
  /** Milliseconds at this very moment. */
  readonly preciseNow: () => number;
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
  /** Resolves when it may go on; null = it does not wait for that. */
  #turn: Promise<void> | null = null;
  #waiting: Disposable | null = null;
  #hadTurn = false;

  /** The hello is borrowed. */
  constructor(host: KeySearchHost<K>, hello: Uint8Array) {
    this.#host = host;
    this.#hello = hello;
  }

  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): { readonly key: K; readonly hello: Hello } | null | undefined {
    const { budget, isIncomplete, preciseNow, ready } = this.#host;
    const keys = ready();
    const recent = this.#try(keys, RECENT, unixMs);
    if (recent !== null) return recent;
    if (keys.length > RECENT && this.#allTried !== keys) {
      if (!this.#mayGoOn()) return undefined;
      const began = preciseNow();
      const found = this.#try(keys, keys.length, unixMs);
      if (found !== null) return found;
      budget.charge(preciseNow() - began);
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

  #mayGoOn(): boolean {
    const { budget } = this.#host;
    if (this.#hadTurn) return true;
    if (this.#turn !== null) return false;
    if (budget.mayBegin()) return this.#hadTurn = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    this.#waiting = budget.wait(() => {
      this.#hadTurn = true;
      this.#turn = null;
      resolve();
    });
    return false;
  }

  /** Resolves when `find` may know more. */
  changed(): Promise<void> {
    return this.#turn ?? this.#host.changed();
  }

  [Symbol.dispose](): void {
    this.#waiting?.[Symbol.dispose]();
  }
}
