import { type Addr, formatAddr } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { ForwardedStream } from "./forwarded_stream.ts";

/** A connection that a proxy passes on, with the address that this tells. */
export class ProxiedConnection extends ForwardedStream<Connection> implements Connection {
  readonly peer: string;
  readonly remote: Addr;

  constructor(inner: Connection, remote: Addr) {
    super(inner);
    this.remote = remote;
    this.peer = formatAddr(remote);
  }

  get local(): Addr {
    return this.inner.local;
  }

  get congestion(): string {
    return this.inner.congestion;
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    return this.inner.closeWrite(closes);
  }

  reset(): void {
    this.inner.reset();
  }

  stats(): ConnectionStats {
    return this.inner.stats();
  }

  setOptions(options: SocketOptions): string[] {
    return this.inner.setOptions(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
