import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Addr } from "../../base/addr.ts";
import type { Clock } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Target } from "../../base/target.ts";
import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { Quota } from "../net/connection_quota.ts";
import { PendingConnections } from "../net/pending_connections.ts";
import type { Relays } from "../net/relay.ts";
import {
  InboundConnection,
  type InboundHost,
  PROGRAM_REQUEST_MS,
} from "../proxy/inbound_connection.ts";
import type { InboundOptions } from "../proxy/inbound_options.ts";
import type { UdpAssociations } from "../proxy/udp_association.ts";
import { LoginLimit } from "../proxy/login_limit.ts";

export interface ProxyFrontOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly relays: Relays;
  readonly quota: Quota;
  readonly outbound: Outbound;
  /** Null = programs need no password. */
  readonly auth: CheckPassword | null;
  /** Serves UDP ASSOCIATE of SOCKS5; absent = it is refused. */
  readonly udp?: UdpAssociations;
  /** Answers HTTP requests of this machine's programs to the proxy itself; absent = they are refused. */
  readonly ownPage?: InboundOptions["ownPage"];
  /** Programs that ask for these targets are told early that they are connected. */
  readonly isEager?: (target: Target) => boolean;
}

/** Serves programs that speak SOCKS or HTTP on one port, over an outbound. */
export class ProxyFront {
  readonly #pending = new PendingConnections();
  readonly #host: InboundHost;

  constructor(o: ProxyFrontOptions) {
    const { clock, log, signal, relays, quota, outbound, auth, udp, ownPage, isEager } = o;
    const inbound = {
      relays,
      auth,
      signal,
      requestMs: PROGRAM_REQUEST_MS,
      outbound,
      ...(udp !== undefined && { udp }),
      ...(isEager !== undefined && { isEager }),
    };
    this.#host = {
      clock,
      log,
      signal,
      pending: this.#pending,
      quota,
      said: new RateLimitedLog(log, () => clock.now()),
      logins: auth === null ? null : new LoginLimit(() => clock.now()),
      inbound: { ...inbound, ownPage },
      inboundOfOthers: { ...inbound, ownPage: undefined },
    };
  }

  /** Connections that have not asked for anything yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Closes a connection that has not asked for anything; returns false if there is none. */
  evictIdle(): boolean {
    return this.#pending.dropOldest();
  }

  /**
   * Owns the stream, which the program at `from` has; calls `onOver` at its end. Returns true as
   * OnReady does.
   */
  serve(stream: Stream, from: Addr, onOver: () => void): boolean {
    return new InboundConnection(this.#host, stream, from, onOver).begin();
  }
}
