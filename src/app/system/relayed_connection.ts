import type { Addr } from "../../base/addr.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";

const NO_ADDRESS: Addr = { path: "" };

/** The way to the other end through the server where both have met. */
export class RelayedConnection implements Connection {
  readonly peer: string;
  readonly local = NO_ADDRESS;
  readonly remote = NO_ADDRESS;
  readonly congestion = "";
  readonly #stream: Stream;
  readonly #owned: AsyncDisposable | null;

  /** `owned`: is closed behind the stream. */
  constructor(stream: Stream, via: string, owned: AsyncDisposable | null) {
    this.peer = `the relay of ${via}`;
    this.#stream = stream;
    this.#owned = owned;
  }

  readNow(into: Uint8Array): number | null | undefined {
    return this.#stream.readNow(into);
  }

  onReadable(run: OnReady): void {
    this.#stream.onReadable(run);
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
    this.#stream.reset();
    startClose(this);
  }

  stats(): ConnectionStats {
    return { ...this.#stream.stats?.(), protocol: "relay" };
  }

  setOptions(): string[] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
    await this.#owned?.[Symbol.asyncDispose]();
  }
}
