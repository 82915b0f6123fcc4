import type { Addr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import { UNNAMED } from "../net/local_stream.ts";
import type { Transport } from "../transport.ts";
import { StdioStream } from "./stdio_stream.ts";

/** `stdio:`: a server whose one client is at standard input and output. */
export const STDIO_TRANSPORT: Transport = {
  listen: (_, { reactor, signal }) => new StdioListener(new StdioConnection({ reactor, signal })),
};

/** Has its connection from the beginning, and never another one. */
class StdioListener implements Listener {
  readonly addr: Addr = UNNAMED;
  readonly isSingle = true;
  #connection: StdioConnection | null;

  /** Owns the connection until somebody accepts it. */
  constructor(connection: StdioConnection) {
    this.#connection = connection;
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    signal.throwIfAborted();
    const connection = this.#connection;
    this.#connection = null;
    return connection;
  }

  /** There is no other connection to wait for. */
  onAcceptable(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
  }
}

/** No address, option or statistics: those of a pipe or file would say nothing of the client. */
class StdioConnection extends StdioStream implements Connection {
  readonly local: Addr = UNNAMED;
  readonly remote: Addr = UNNAMED;
  readonly congestion = "";
  #hasEnded = false;

  override readNow(into: Uint8Array): number | null | undefined {
    const got = super.readNow(into);
    if (got === null) this.#hasEnded = true;
    return got;
  }

  stats(): ConnectionStats {
    return { protocol: "stdio", peerClosed: this.#hasEnded };
  }

  setOptions(): string[] {
    return [];
  }
}
