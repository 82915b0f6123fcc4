import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import { HopDialer } from "../hop/hop_dialer.ts";
import type { WireSecrets } from "../link/config.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { dial } from "../net/dial_events.ts";
import { dialAny } from "../net/dial_host.ts";
import { type Reach, reachBy } from "../net/reach.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import { type DirectServer, serverName } from "./tun_client_options.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

export interface LinkClientOptions {
  readonly server: HostPort | DirectServer | KeyedHopAddress;
  /** To the addresses of a server that has some. */
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly secrets: WireSecrets;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  readonly retries: number;
  /** 16 random bytes, one value for each process. */
  readonly instance: Uint8Array;
  /** Undefined = the system's. */
  readonly congestion?: CongestionChoice | undefined;
  /** Has the session while there is one. */
  readonly sessions?: SessionList | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Makes a client of streams that reaches its server over the network, or by a transport's dialer.
 * `stack` owns what it needs.
 */
export function openLinkClient(
  o: LinkClientOptions & { readonly endsWithSession: boolean },
  stack: DisposableStack,
): MuxClient {
  const tuner = new Tuner(o.log, o.congestion);
  const reach = reachServer(o, stack);
  return new MuxClient({
    ...o,
    reach: (meeting) =>
      reach({
        ...meeting,
        meet: (stream, proved) => {
          tuner.tune(stream);
          return meeting.meet(stream, proved);
        },
      }),
    facts: congestionField,
  });
}

function reachServer(o: LinkClientOptions, stack: DisposableStack): Reach {
  const { log, server, secrets: { wallClock } } = o;
  if ("range" in server) {
    const ports = stack.use(new MinutePorts(server.key, server.range));
    const hop = new HopDialer({ ...o, host: server.host, ports, wallClock });
    return (meeting) => hop.reach(meeting);
  }
  if ("reach" in server && server.reach !== undefined) return server.reach;
  const timeoutMs = DIAL_TIMEOUT;
  return reachBy((signal) => {
    log.debug("connecting", { server: serverName(server) });
    if ("dialer" in server) return dial(server.dialer, undefined, { signal, timeoutMs });
    return dialAny({ ...o, to: server, nameMs: NAME_TIMEOUT, timeoutMs, signal });
  });
}
