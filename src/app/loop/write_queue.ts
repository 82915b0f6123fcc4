import type { Stream } from "../../contract/stream.ts";
import { write } from "./stream_io.ts";

const EMPTY = new Uint8Array();

/**
 * Writes borrowed bytes in order. Bytes that have to wait are copied, and `isBusy` is true
 * meanwhile.
 */
export class WriteQueue {
  readonly #to: Stream;
  readonly #onIdle: () => void;
  #waiting: Promise<void> | null = null;
  #queue: Uint8Array[] = [];
  #isEnding = false;
  /** The error that ended all writing; null = none. */
  failure: { error: unknown } | null = null;

  /** `onIdle` is called when the queue is no longer busy, also after a failure. */
  constructor(to: Stream, onIdle: () => void) {
    this.#to = to;
    this.#onIdle = onIdle;
  }

  get isBusy(): boolean {
    return this.#waiting !== null;
  }

  write(bytes: Uint8Array): void {
    if (this.failure !== null || bytes.length === 0) return;
    if (this.#waiting !== null) return void this.#queue.push(bytes.slice());
    try {
      const done = this.#to.writeNow(bytes);
      if (done < bytes.length) this.#wait(bytes.slice(done));
    } catch (error) {
      this.#break(error);
    }
  }

  /** Sends FIN after all that was written; nothing may be written afterwards. */
  end(): void {
    if (this.failure !== null || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#waiting === null) this.#wait(EMPTY);
  }

  /**
   * Continues in a later microtask: `#waiting` must be set before a write can fail and clear it.
   */
  #wait(rest: Uint8Array): void {
    this.#waiting = Promise.resolve(rest).then((first) => this.#drain(first));
  }

  async #drain(first: Uint8Array): Promise<void> {
    try {
      for (let next: Uint8Array | undefined = first; next !== undefined;) {
        if (next.length > 0) await write(this.#to, next);
        next = this.#queue.shift();
      }
      if (this.#isEnding) await this.#to.closeWrite();
    } catch (error) {
      this.#break(error);
    }
    this.#waiting = null;
    this.#onIdle();
  }

  #break(error: unknown): void {
    this.failure ??= { error };
    this.#queue = [];
  }

  /**
   * Resolves when everything is written.
   * @throws the error that ended the writing
   */
  async flushed(): Promise<void> {
    if (this.#waiting !== null) await this.#waiting;
    if (this.failure !== null) throw this.failure.error;
  }
}
