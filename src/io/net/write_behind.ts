/** Most bytes that are taken before the system has taken them. */
const MOST_BEHIND = 64 * 1024;

/**
 * Turns writes by promise into ones that take what they can: a copy of at most 64 KiB at a time,
 * and nothing more until the system has it.
 */
export class WriteBehind {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #onIdle: () => void;
  #writing: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;

  /** `write` writes some of the bytes; `onIdle` is called when more can be taken, or it has failed. */
  constructor(write: (bytes: Uint8Array) => Promise<number>, onIdle: () => void) {
    this.#write = write;
    this.#onIdle = onIdle;
  }

  /** The write that is under way, which never rejects; null = none. */
  get writing(): Promise<void> | null {
    return this.#writing;
  }

  /** @throws the error of an earlier write */
  check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /**
   * Takes the first of the bytes, or none while a write is under way; returns how many.
   * @throws the error of an earlier write
   */
  take(bytes: Uint8Array): number {
    this.check();
    if (this.#writing !== null || bytes.length === 0) return 0;
    const part = bytes.slice(0, MOST_BEHIND);
    this.#writing = this.#writeAll(part);
    return part.length;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.#write(done === 0 ? bytes : bytes.subarray(done));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#writing = null;
    this.#onIdle();
  }
}
