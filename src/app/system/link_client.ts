import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { dial } from "../net/dial_events.ts";
import { dialAny } from "../net/dial_host.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import { type DirectServer, serverName } from "./tun_client_options.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

export interface LinkClientOptions {
  readonly server: HostPort | DirectServer;
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

/** Makes a client of streams that reaches its server over the network, or by a transport's dialer. */
export function openLinkClient(
  o: LinkClientOptions & { readonly endsWithSession: boolean },
): MuxClient {
  const { server, log } = o;
  const tuner = new Tuner(log, o.congestion);
  return new MuxClient({
    ...o,
    dial: async (signal) => {
      log.debug("connecting", { server: serverName(server) });
      const stream = await dialServer(o, signal);
      tuner.tune(stream);
      return stream;
    },
    facts: congestionField,
  });
}

function dialServer(o: LinkClientOptions, signal: AbortSignal): Promise<Connection> {
  const { server } = o;
  const timeoutMs = DIAL_TIMEOUT;
  if ("dialer" in server) return dial(server.dialer, undefined, { signal, timeoutMs });
  return dialAny({ ...o, to: server, nameMs: NAME_TIMEOUT, timeoutMs, signal });
}
