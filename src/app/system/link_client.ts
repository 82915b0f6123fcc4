import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import type { WireSecrets } from "../link/config.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import { reachServer } from "./reach_server.ts";
import type { DirectServer } from "./server_name.ts";

export interface LinkClientOptions {
  readonly server: HostPort | DirectServer | KeyedHopAddress;
  /** To the addresses of a server that has some. */
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly secrets: WireSecrets;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  readonly retries: number;
  /** Attempts before the first session, as `MuxClientOptions` has them. */
  readonly firstRetries?: number | undefined;
  /** Seconds without a byte after which the server counts as dead; absent = the usual ones. */
  readonly deadTime?: number | undefined;
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
  o: LinkClientOptions & { readonly endsWithSession: boolean; readonly openWaitMs?: number },
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
