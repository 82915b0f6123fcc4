import type { Clock } from "../../contract/host.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";

/** Seconds' worth of bytes that may go at once after a rest. */
const BURST_SECONDS = 1;

/** Bytes that are waited for at least: a few at a time cost more. */
const LEAST = 4096;

/** Bytes per second that several streams share. */
export class ByteRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond * BURST_SECONDS;
    this.#at = clock.now();
  }

  /** Bytes that may go now. */
  get left(): number {
    const now = this.#clock.now();
    const most = this.#perSecond * BURST_SECONDS;
    this.#left = Math.min(most, this.#left + (now - this.#at) * this.#perSecond / 1000);
    this.#at = now;
    return Math.floor(this.#left);
  }

  spend(bytes: number): void {
    this.#left -= bytes;
  }

  /** Calls `run` when some may go. */
  onLeft(run: () => void): Disposable {
    const wanted = Math.min(LEAST, this.#perSecond * BURST_SECONDS);
    const ms = Math.max(1, Math.ceil((wanted - this.left) * 1000 / this.#perSecond));
    return this.#clock.after(ms, run);
  }
}

/** A stream that is read no faster than its rate; the stream itself is the caller's to close. */
export class ThrottledStream implements Stream {
  readonly #stream: Stream;
  readonly #rate: ByteRate;
  /** The reader that waits for its turn; null = there is none. */
  #waiting: { readonly run: OnReady; readonly timer: Disposable } | null = null;
  /** It was reset: there is nothing to wait for. */
  #isOver = false;

  constructor(stream: Stream, rate: ByteRate) {
    this.#stream = stream;
    this.#rate = rate;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  readNow(into: Uint8Array): number | null | undefined {
    if (this.#isOver) return this.#stream.readNow(into);
    const { left } = this.#rate;
    if (left <= 0) return undefined;
    const got = this.#stream.readNow(into.length <= left ? into : into.subarray(0, left));
    if (got) this.#rate.spend(got);
    return got;
  }

  onReadable(run: OnReady): void {
    if (this.#isOver || this.#rate.left > 0) return this.#stream.onReadable(run);
    this.#waiting?.timer[Symbol.dispose]();
    this.#waiting = { run, timer: this.#rate.onLeft(() => this.#wake()) };
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    waiting.timer[Symbol.dispose]();
    waiting.run();
  }

  writeNow(bytes: Uint8Array, isLast?: boolean): number {
    return this.#stream.writeNow(bytes, isLast);
  }

  onWritable(run: OnReady): void {
    this.#stream.onWritable(run);
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    return this.#stream.closeWrite(closes);
  }

  reset(): void {
    this.#isOver = true;
    this.#stream.reset();
    this.#wake();
  }

  stats(): ConnectionStats {
    return this.#stream.stats?.() ?? { protocol: "" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#stream[Symbol.asyncDispose]();
    this.#wake();
  }
}
