import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import { HopDialer } from "../hop/hop_dialer.ts";
import type { WireSecrets } from "../link/config.ts";
import { dial } from "../net/dial_events.ts";
import { dialAny } from "../net/dial_host.ts";
import { type Reach, reachBy } from "../net/reach.ts";
import { type DirectServer, serverName } from "./server_name.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

export interface ReachServerOptions {
  readonly server: HostPort | DirectServer | KeyedHopAddress;
  /** To the addresses of a server that has some. */
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly secrets: Pick<WireSecrets, "wallClock">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "debug">;
}

/** Returns how a client reaches its server. `stack` owns what it needs. */
export function reachServer(o: ReachServerOptions, stack: DisposableStack): Reach {
  const { log, server, secrets: { wallClock } } = o;
  const said = { server: serverName(server) };
  if ("range" in server) {
    const ports = stack.use(new MinutePorts(server.key, server.range));
    const hop = new HopDialer({ ...o, host: server.host, ports, wallClock });
    return (meeting) => {
      log.debug("connecting", said);
      return hop.reach(meeting);
    };
  }
  if ("reach" in server && server.reach !== undefined) return server.reach;
  const timeoutMs = DIAL_TIMEOUT;
  return reachBy(({ signal, life = signal, host }) => {
    log.debug("connecting", said);
    if ("dialer" in server) {
      return dial(server.dialer, undefined, { signal: life, cancel: signal, timeoutMs });
    }
    const to = host === undefined ? server : { ...server, host };
    return dialAny({ ...o, to, nameMs: NAME_TIMEOUT, timeoutMs, signal, life });
  });
}
