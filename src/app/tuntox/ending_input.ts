import type { ConnectionStats } from "../../contract/stats.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";
import { ForwardedStream } from "../net/forwarded_stream.ts";

/**
 * A stream whose input ends when it is told: nothing can be sent by a tunnel that has ended, and
 * whoever has standard input for it need not wait for that. It owns the stream.
 */
export class EndingInput extends ForwardedStream implements Stream {
  readonly #clock: Clock;
  #hasEnded = false;
  #waiting: OnReady | null = null;

  constructor(inner: Stream, clock: Clock) {
    super(inner);
    this.#clock = clock;
  }

  /** Ends the input; its rest is not read. */
  readonly end = (): void => {
    this.#hasEnded = true;
    const run = this.#waiting;
    this.#waiting = null;
    if (run !== null) this.#clock.onTurn(run);
  };

  get peer(): string {
    return this.inner.peer;
  }

  override readNow(into: Uint8Array): number | null | undefined {
    return this.#hasEnded ? null : super.readNow(into);
  }

  override onReadable(run: OnReady): void {
    this.#waiting = run;
    super.onReadable(() => {
      if (this.#waiting !== run) return true; // it was told of the end
      this.#waiting = null;
      return run();
    });
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    return this.inner.closeWrite(closes);
  }

  reset(): void {
    this.inner.reset();
  }

  stats(): ConnectionStats {
    return this.inner.stats?.() ?? { protocol: "tuntox" };
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.inner[Symbol.asyncDispose]();
  }
}
