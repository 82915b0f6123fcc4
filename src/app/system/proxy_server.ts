import { ProtocolError, toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { Quota } from "../net/connection_quota.ts";
import { ConnectError } from "../net/connect_error.ts";
import { directOutbound } from "../net/direct_outbound.ts";
import type { Relays } from "../net/relay.ts";
import { relayScope } from "../net/relay_scope.ts";
import { dialMakingRoom } from "../net/retry_exhausted.ts";
import type { StreamService } from "../net/stream_service.ts";
import { serveInbound } from "../proxy/inbound.ts";
import type { ProxyServerOptions } from "./proxy_options.ts";
import {
  openServer,
  SOCKS_DIALECT,
  STREAM_CHUNK,
  type TransportServer,
} from "./proxy_transport.ts";

/** Milliseconds for the request of a client that has proved the key. */
const CLIENT_REQUEST_MS = 30_000;

/** Runs until the signal aborts; throws a TtunError when no port can be opened. */
export async function serveProxy(o: ProxyServerOptions): Promise<void> {
  await relayScope({ ...o, chunk: STREAM_CHUNK }, ({ tasks, relays, stack }) => {
    const quota = new Quota(o.limits);
    const server: TransportServer = stack.use(
      openServer(
        tasks,
        o,
        service({ ...o, signal: tasks.signal }, relays, quota, () => server.evictIdle()),
      ),
    );
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: server.pending,
    }));
    tasks.spawn(() => server.run());
  });
}

function service(
  o: ProxyServerOptions,
  relays: Relays,
  quota: Quota,
  evictIdle: () => boolean,
): StreamService {
  const { clock, log, signal } = o;
  const dialer = dialMakingRoom(o.dialer, evictIdle);
  const outbound = directOutbound({ ...o, dialer, connectMs: o.limits.connectMs });
  const inbound = {
    relays,
    outbound,
    auth: null,
    ...SOCKS_DIALECT,
    signal,
    requestMs: CLIENT_REQUEST_MS,
  };
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  return {
    scratch: relays.options.scratch,
    quota,
    serve: (stream, first, events) => serveInbound(stream, first, inbound, events),
    rejected: new RateLimitedLog(log, () => clock.now()),
    tell: (thrown, peer, owner) => tell(log, said, thrown, peer, owner),
  };
}

/** Logs why a connection was refused or has ended; `said` limits the lines that clients cause. */
function tell(
  log: Logger,
  said: RateLimitedLog,
  thrown: unknown,
  peer: string,
  owner: string,
): void {
  if (thrown instanceof ConnectError) {
    const { failure, message: why } = thrown;
    // The advice is for this server's log only: the client does not get it.
    if (failure === "denied") return said.info("target denied", { peer, why }, owner);
    return log.debug("not connected", { peer, why });
  }
  const error = toTtunError(thrown);
  if (error.kind === "internal") return log.error(error.message, { peer });
  if (error instanceof ProtocolError) {
    return said.warn("connection ended", { peer, why: error.message }, owner);
  }
  log.debug("connection ended", { peer, why: error.message });
}
