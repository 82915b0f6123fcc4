import type { Addr } from "../../base/addr.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import { ForwardedStream } from "../net/forwarded_stream.ts";
import { RELAY_PROTOCOL } from "../net/is_relayed.ts";

const NO_ADDRESS: Addr = { path: "" };

/** The way to the other end through the server where both have met. */
export class RelayedConnection extends ForwardedStream implements Connection {
  readonly peer: string;
  readonly local = NO_ADDRESS;
  readonly remote = NO_ADDRESS;
  readonly congestion = "";
  readonly #owned: AsyncDisposable | null;

  /** `owned`: is closed behind the stream. */
  constructor(stream: Stream, via: string, owned: AsyncDisposable | null) {
    super(stream);
    this.peer = `the relay of ${via}`;
    this.#owned = owned;
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    return this.inner.closeWrite(closes);
  }

  reset(): void {
    this.inner.reset();
    startClose(this);
  }

  stats(): ConnectionStats {
    return { ...this.inner.stats?.(), protocol: RELAY_PROTOCOL };
  }

  setOptions(): string[] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
    await this.#owned?.[Symbol.asyncDispose]();
  }
}
