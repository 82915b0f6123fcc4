import { type Hello, readClientHello } from "../../core/link/v2/hello.ts";

/** Secrets of version 2 that are worked out at the same time: each takes 32 MiB and a core. */
const AT_ONCE = 2;

/** A hello, and the key that it is right for. */
export interface FoundKey {
  readonly hello: Hello;
  /** Number of the key among the server's. */
  readonly key: number;
  /** The key's name; "" where there is one key alone. */
  readonly name: string;
  /** Its secret of version 2 (core/link/v2/secrets.ts), borrowed. */
  readonly s: Uint8Array;
}

/** The search for one hello's key, which tries each key once. */
export interface KeySearch {
  /** Returns null if there is no such key; undefined: it is not known before `changed`. */
  find(unixMs: number): FoundKey | null | undefined;
}

/** A server's keys, whose secrets are worked out one after the other, while it serves already. */
export class KeyRing {
  readonly #names: readonly string[];
  /** Secrets that are worked out, in the order in which they were. */
  readonly #ready: { readonly key: number; readonly s: Uint8Array }[] = [];
  #isOver = false;
  #change = Promise.withResolvers<void>();

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** Works all secrets out. @throws what `secretOf` throws */
  async run(secretOf: (key: number) => Promise<Uint8Array>): Promise<void> {
    let next = 0;
    const work = async () => {
      while (next < this.#names.length) {
        const key = next++;
        this.#ready.push({ key, s: await secretOf(key) });
        this.#tell();
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      this.#isOver = true;
      this.#tell();
    }
  }

  /** Begins to look for the key that a client's hello of version 2, borrowed, is right for. */
  search(hello: Uint8Array): KeySearch {
    let tried = 0;
    return {
      find: (unixMs) => {
        for (; tried < this.#ready.length; tried++) {
          const { key, s } = this.#ready[tried]!;
          const found = readClientHello(s, hello, unixMs);
          if (found !== null) return { hello: found, key, name: this.#names[key]!, s };
        }
        return this.#isOver || tried === this.#names.length ? null : undefined;
      },
    };
  }

  /** Resolves when another secret is ready, or none will be. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  #tell(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
