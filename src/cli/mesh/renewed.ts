/** A thing that can go on with what it has begun while its successor is open. */
export interface Retiring {
  /** Takes nothing new. Resolves when the successor may be opened. */
  retire(): Promise<void>;
  /** Resolves when all that it had begun has ended. */
  idle(): Promise<void>;
}

/** A thing that is closed and opened anew, as a listener that takes another certificate. Owns it. */
export class Renewed<T extends AsyncDisposable & Partial<Retiring>> implements AsyncDisposable {
  readonly #open: () => T;
  readonly #failed: (error: unknown) => void;
  #current: T;
  readonly #retired = new Set<T>();
  #renewing: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** `failed`: it is closed, and could not be opened. */
  constructor(open: () => T, failed: (error: unknown) => void) {
    this.#open = open;
    this.#failed = failed;
    this.#current = open();
  }

  get current(): T {
    return this.#current;
  }

  /** One renewal after the other. */
  renew(): void {
    this.#renewing = this.#renewing.then(() => this.#renew()).catch(this.#failed);
  }

  /** Runs with each of them, one after the other. @throws what `run` throws of one that stays */
  async follow(run: (one: T) => Promise<void>, signal: AbortSignal): Promise<never> {
    for (;;) {
      const one = this.#current;
      try {
        await run(one);
      } catch (error) {
        signal.throwIfAborted();
        await this.#renewing;
        if (this.#current === one) throw error;
      }
    }
  }

  async #renew(): Promise<void> {
    if (this.#isClosed) return;
    await this.#retire(this.#current);
    if (!this.#isClosed) this.#current = this.#open();
  }

  async #retire(one: T): Promise<void> {
    if (one.retire === undefined || one.idle === undefined) return await one[Symbol.asyncDispose]();
    await one.retire();
    this.#retired.add(one);
    void one.idle().then(() => this.#retired.delete(one)); // never rejects
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#renewing;
    await Promise.all([this.#current, ...this.#retired].map((one) => one[Symbol.asyncDispose]()));
  }
}
