import { copyBytes } from "../../base/small_alloc.ts";

const MOST_BEHIND = 64 * 1024;

/** A copy of at most 64 KiB is under way at a time. */
export class WriteBehind {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #onIdle: () => void;
  #writing: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;

  /** `write` may write a part. `onIdle` runs when more can be taken or `write` failed. */
  constructor(write: (bytes: Uint8Array) => Promise<number>, onIdle: () => void) {
    this.#write = write;
    this.#onIdle = onIdle;
  }

  /** Never rejects; null if no write is under way. */
  get writing(): Promise<void> | null {
    return this.#writing;
  }

  /** @throws the error of an earlier write */
  check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Returns how many were taken. @throws the error of an earlier write */
  take(bytes: Uint8Array): number {
    this.check();
    if (this.#writing !== null || bytes.length === 0) return 0;
    const part = copyBytes(bytes.subarray(0, MOST_BEHIND));
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
