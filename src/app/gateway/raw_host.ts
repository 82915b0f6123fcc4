import type { Addr, Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DatagramSockets } from "../../contract/datagrams.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { ForwardTarget } from "../../base/target.ts";
import { FailureLimit, ownerOf } from "../../core/gateway/failure_limit.ts";
import type { RawTarget } from "../../core/gateway/raw_target.ts";
import { OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { WireSecrets } from "../link/config.ts";
import { MuxServer } from "../mux/mux_server.ts";
import { type DatagramHost, serveDatagrams } from "../mux/served_datagrams.ts";
import { connectStream } from "../mux/served_stream.ts";
import type { Quota } from "../net/connection_quota.ts";
import { open } from "../net/dial_events.ts";
import { isAmong } from "../net/proxy_acceptor.ts";
import type { Relays } from "../net/relay.ts";
import { ConnectionTarget } from "./connection_target.ts";
import type { Tunnel } from "./dial_agent.ts";
import { noWeb } from "./no_web.ts";

/** Milliseconds that a session without a connection is kept, and that datagrams may be silent. */
const KEEP_MS = 60_000;
const UDP_IDLE_MS = 60_000;

export interface RawHostOptions {
  readonly name: string;
  readonly target: RawTarget;
  /** Networks that visitors must come from; null = any. */
  readonly allow: readonly Cidr[] | null;
  /** Of the access keys, or of the one that everybody has. */
  readonly secrets: WireSecrets;
  /** Connects for a visitor, whose address it may tell the target. */
  readonly outboundFor: (visitor: Addr) => Outbound<ForwardTarget>;
  /** Null = there are no UDP sockets on this system. */
  readonly sockets: DatagramSockets | null;
  readonly resolver: Resolver;
  /** Connections and datagram flows of all services' visitors. */
  readonly quota: Quota;
  readonly relays: Relays;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * An agent's service of connections and datagrams as they are. Clients come by link version 2, whose
 * key they prove to this end; those of a public one may come without it too.
 */
export class RawHost implements Disposable {
  readonly tunnel: Tunnel;
  readonly #o: RawHostOptions;
  readonly #said: RateLimitedLog;
  readonly #server: MuxServer;
  readonly #failures: FailureLimit;
  /** Ends connections that are carried as they are. */
  readonly #over = new AbortController();

  constructor(o: RawHostOptions) {
    const { name, target, clock, log, signal, quota, relays, resolver, sockets, secrets } = o;
    this.#o = o;
    const said = this.#said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
    this.#failures = new FailureLimit(() => clock.now());
    const streams = { log, signal, relays, quota, said };
    const datagrams: DatagramHost = {
      ...{ sockets, resolver, rules: null, idleMs: UDP_IDLE_MS, clock, quota, said },
    };
    const { to, carries } = target;
    this.#server = new MuxServer({
      ...{ secrets, clock, log, signal, keepMs: KEEP_MS },
      onStranger: ({ remote }) => this.#failures.failed(ownerOf(hostOf(remote))),
      onOpened: (stream, { kind }, client) => {
        if (kind === OpenKind.connect && carries !== "udp") {
          // Whatever a client asks for, the target is the one that is published.
          const outbound = o.outboundFor(client.from);
          return connectStream({ ...streams, outbound }, stream, to, client);
        }
        if (kind === OpenKind.udp && carries !== "tcp" && "host" in to) {
          return serveDatagrams(datagrams, stream, client, to);
        }
        stream.answer(Refusal.notSupported, null);
      },
    });
    const isOpen = target.isPublic && carries !== "udp";
    const plain = new ConnectionTarget({
      ...{ name, allow: o.allow, quota, relays, clock, log },
      dial: (visitor, cancel) => open(o.outboundFor(visitor), to, { signal, cancel }),
      signal: AbortSignal.any([signal, this.#over.signal]),
    });
    this.tunnel = {
      name,
      serve: noWeb(clock),
      raw: { link: this.#takeLink, ...(isOpen && { tcp: plain.take }) },
    };
  }

  /** Ends all that goes on. */
  [Symbol.dispose](): void {
    this.#server[Symbol.dispose]();
    this.#over.abort(new TtunError("lost", "The service is no longer published so"));
  }

  readonly #takeLink = (visitor: Connection): void => {
    const { allow } = this.#o;
    const { remote, peer } = visitor;
    if (allow !== null && !isAmong(allow, remote)) {
      return this.#refuse(visitor, "it is none of the networks'");
    }
    if (!this.#failures.mayTry(ownerOf(hostOf(remote)))) {
      return this.#refuse(visitor, "its address has failed too often, and has to wait");
    }
    this.#o.log.debug("A visitor has come", { name: this.#o.name, peer });
    void this.#server.serve(visitor); // never rejects
  };

  #refuse(visitor: Connection, why: string): void {
    this.#said.warn("Refused a visitor", { name: this.#o.name, peer: visitor.peer, why });
    visitor.reset();
    startClose(visitor);
  }
}

/** Returns the visitor's address; "" where the gateway does not know it. */
function hostOf(visitor: Addr): string {
  return "host" in visitor ? withoutZone(visitor.host) : "";
}
