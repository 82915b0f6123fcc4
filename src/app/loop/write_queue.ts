import { pushJoined } from "../../base/push_joined.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";

/** Writes borrowed bytes in order; those that wait are copied, and `isBusy` is true meanwhile. */
export class WriteQueue {
  readonly #to: Stream;
  readonly #onIdle: OnReady;
  #queue: Uint8Array[] = [];
  #waiting = 0;
  #isBusy = false;
  #isEnding = false;
  #flushed: PromiseWithResolvers<void> | null = null;
  /** The error that ended all writing; null = none. */
  failure: { error: unknown } | null = null;

  /** `onIdle` is called when the queue is no longer busy, also after a failure. */
  constructor(to: Stream, onIdle: OnReady) {
    this.#to = to;
    this.#onIdle = onIdle;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  write(bytes: Uint8Array): void {
    if (this.failure !== null || bytes.length === 0) return;
    if (this.#isBusy) {
      this.#waiting += bytes.length;
      return pushJoined(this.#queue, bytes);
    }
    try {
      const done = this.#to.writeNow(bytes);
      if (done < bytes.length) this.#wait(bytes.slice(done));
    } catch (error) {
      this.#break(error);
    }
  }

  /** FIN after all that was written. Returns false if a promise continues it. */
  end(): boolean {
    if (this.failure !== null || this.#isEnding) return true;
    this.#isEnding = true;
    if (this.#isBusy) return true;
    try {
      return this.#close();
    } catch (error) {
      this.#break(error);
      return true;
    }
  }

  #wait(rest: Uint8Array): void {
    this.#to.onWritable(() => this.#drain());
    this.#queue.unshift(rest);
    this.#waiting += rest.length;
    this.#isBusy = true;
  }

  #drain(): boolean {
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#waiting -= next.length;
        const done = this.#to.writeNow(next);
        if (done === next.length) continue;
        this.#wait(next.subarray(done));
        return true;
      }
      if (this.#isEnding && !this.#close()) return false;
    } catch (error) {
      this.#break(error);
    }
    return this.#idle();
  }

  /** Returns false if the FIN needs a promise; the queue is busy until then. */
  #close(): boolean {
    const closing = this.#to.closeWrite();
    if (!(closing instanceof Promise)) return true;
    this.#isBusy = true;
    void closing.catch((error) => this.#break(error)).then(() => this.#idle()); // never rejects
    return false;
  }

  #idle(): boolean {
    this.#isBusy = false;
    const flushed = this.#flushed;
    this.#flushed = null;
    flushed?.resolve();
    return this.#onIdle() === true && flushed === null;
  }

  #break(error: unknown): void {
    this.failure ??= { error };
    this.#queue = [];
    this.#waiting = 0;
  }

  /** Throws the error that ended the writing. */
  async flushed(): Promise<void> {
    if (this.#isBusy) await (this.#flushed ??= Promise.withResolvers<void>()).promise;
    if (this.failure !== null) throw this.failure.error;
  }
}
