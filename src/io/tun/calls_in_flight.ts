/** Handles stay open until the last call returned: no thread may wait on a reused number. */
export class CallsInFlight {
  #underWay = 0;
  #free: (() => void) | null = null;
  readonly #freed = Promise.withResolvers<void>();

  /** Resolves when everything is closed. */
  get freed(): Promise<void> {
    return this.#freed.promise;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
      this.#freeIfIdle();
    }
  }

  /** Calls `free` once, when no call is in progress. Wake those before. */
  close(free: () => void): void {
    this.#free = free;
    this.#freeIfIdle();
  }

  #freeIfIdle(): void {
    if (this.#underWay > 0 || this.#free === null) return;
    const free = this.#free;
    this.#free = null;
    free();
    this.#freed.resolve();
  }
}
