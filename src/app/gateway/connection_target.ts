import type { Addr, Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Quota } from "../net/connection_quota.ts";
import { isAmong } from "../net/proxy_acceptor.ts";
import type { Relays } from "../net/relay.ts";

export interface ConnectionTargetOptions {
  /** Name of the service, for the log. */
  readonly name: string;
  /** Networks that visitors must come from; null = any. */
  readonly allow: readonly Cidr[] | null;
  /**
   * Ends the visitor's TLS; it takes the connection in any case. Resolves with null where that came to
   * nothing. Absent = the service does it, or there is none.
   */
  readonly endTls?:
    | ((visitor: Connection, signal: AbortSignal) => Promise<Connection | null>)
    | undefined;
  /** Connects with the service. @throws {TtunError} */
  readonly dial: (visitor: Addr, cancel: AbortSignal) => Promise<Stream>;
  /** Connections of all services' visitors. */
  readonly quota: Quota;
  readonly relays: Relays;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends all that goes on. */
  readonly signal: AbortSignal;
}

/** An agent's service whose visitors' connections come here as they are: plain ones, or with their TLS. */
export class ConnectionTarget {
  readonly #o: ConnectionTargetOptions;
  readonly #said: RateLimitedLog;

  constructor(o: ConnectionTargetOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now(), OF_PEERS);
  }

  /** Serves a visitor's connection. Owns it. */
  readonly take = (visitor: Connection): void => {
    this.#serve(visitor).catch((error) => {
      visitor.reset();
      if (this.#o.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#said.warn("A connection failed", { name: this.#o.name, peer: visitor.peer, why });
    }).finally(() => startClose(visitor));
  };

  async #serve(visitor: Connection): Promise<void> {
    const { allow, quota, signal, clock, endTls, dial, relays } = this.#o;
    const { remote } = visitor;
    if (allow !== null && !isAmong(allow, remote)) {
      throw new TtunError("auth", "The visitor comes from none of the networks of --allow");
    }
    const over = new AbortController();
    using place = quota.take(remote, {
      account: "",
      lastActive: clock.now(),
      evict: () => over.abort(new TtunError("exhausted", "Another address needs its place")),
    });
    if (place === null) throw new TtunError("exhausted", "There is no place for it");
    using _stop = onAbort(signal, (reason) => over.abort(reason));
    over.signal.addEventListener("abort", () => visitor.reset(), { once: true });
    const plain = endTls === undefined ? visitor : await endTls(visitor, signal);
    if (plain === null) return; // it has been said why
    await using near = plain;
    over.signal.throwIfAborted();
    await using far = await dial(remote, over.signal);
    await relays.run(near, far);
  }
}
