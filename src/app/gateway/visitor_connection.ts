import { type Addr, formatAddr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import { ForwardedStream } from "../net/forwarded_stream.ts";

const NO_ADDRESS: Addr = { path: "" };

/** A visitor's connection at an agent: a stream of its link, with the address that the gateway tells. */
export class VisitorConnection extends ForwardedStream implements Connection {
  readonly peer: string;
  readonly local = NO_ADDRESS;
  readonly remote: Addr;
  readonly congestion = "";

  /** `visitor`: null = the gateway does not know it. */
  constructor(stream: Stream, visitor: Addr | null) {
    super(stream);
    this.remote = visitor ?? NO_ADDRESS;
    this.peer = visitor === null ? stream.peer : formatAddr(visitor);
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    return this.inner.closeWrite(closes);
  }

  reset(): void {
    this.inner.reset();
  }

  stats(): ConnectionStats {
    return { ...this.inner.stats?.(), protocol: "mesh" };
  }

  setOptions(): string[] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
