/** Secrets of version 2 that are worked out at the same time: each takes 32 MiB and a core. */
const AT_ONCE = 2;

/** The secrets of a server's keys, worked out one after the other, while it serves already. */
export class KeySecrets {
  /** By the keys' numbers; absent = not worked out yet. */
  readonly #ready = new Map<number, Uint8Array>();
  readonly #count: number;
  #change = Promise.withResolvers<void>();

  constructor(count: number) {
    this.#count = count;
  }

  /** Works them all out. @throws what `secretOf` throws */
  async run(secretOf: (key: number) => Promise<Uint8Array>): Promise<void> {
    let next = 0;
    const work = async () => {
      while (next < this.#count) {
        const key = next++;
        this.#ready.set(key, await secretOf(key));
        this.#change.resolve();
        this.#change = Promise.withResolvers();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  get isComplete(): boolean {
    return this.#ready.size === this.#count;
  }

  /** Those that are ready, with the keys' numbers. */
  entries(): Iterable<readonly [number, Uint8Array]> {
    return this.#ready;
  }

  /** Resolves with the next one. */
  changed(): Promise<void> {
    return this.#change.promise;
  }
}
