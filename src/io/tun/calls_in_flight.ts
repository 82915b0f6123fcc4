/**
 * Calls that wait in other threads and use handles of ours: those may be closed only when the last
 * of the calls has come back, or a thread would wait on a number that is another's by then.
 */
export class CallsInFlight {
  #underWay = 0;
  #free: (() => void) | null = null;
  readonly #freed = Promise.withResolvers<void>();

  /** Settles when everything is closed. */
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

  /** Calls `free` once: now, or when the last call that is under way has come back. Wake it before. */
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
