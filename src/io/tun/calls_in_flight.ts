/**
 * Tracks blocking calls in other threads. Handles that they use must stay open until the last call
 * has returned; otherwise a thread could wait on a number that has been reused.
 */
export class CallsInFlight {
  #underWay = 0;
  #free: (() => void) | null = null;
  readonly #freed = Promise.withResolvers<void>();

  /** Resolves when everything is closed. */
  get freed(): Promise<void> {
    return this.#freed.promise;
  }

  /** Makes the call; `close` waits for it. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
      this.#freeIfIdle();
    }
  }

  /** Calls `free` once: now, or when the last call in progress has returned. Wake those before. */
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
