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

/** A server's keys, whose secrets are worked out one after the other, while it serves already. */
export class KeyRing {
  readonly #names: readonly string[];
  /** Secrets by the keys' numbers; absent = not worked out yet. */
  readonly #ready = new Map<number, Uint8Array>();
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
        this.#ready.set(key, await secretOf(key));
        this.#change.resolve();
        this.#change = Promise.withResolvers();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /**
   * Finds the key that a client's hello of version 2 is right for: null = there is none; undefined =
   * it is not known before `changed`.
   */
  find(hello: Uint8Array, unixMs: number): FoundKey | null | undefined {
    for (const [key, s] of this.#ready) {
      const found = readClientHello(s, hello, unixMs);
      if (found !== null) return { hello: found, key, name: this.#names[key]!, s };
    }
    return this.#ready.size === this.#names.length ? null : undefined;
  }

  /** Resolves when another secret is ready. */
  changed(): Promise<void> {
    return this.#change.promise;
  }
}
