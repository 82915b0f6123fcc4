import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { DatagramSockets } from "../../contract/datagrams.ts";
import type { ListenRules } from "../../core/acl/listen_rules.ts";
import { OpenKind } from "../../core/mux/frames.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import { MeetingServer, type RelayPermit } from "../meet/meeting_server.ts";
import { MuxServer } from "../mux/mux_server.ts";
import { type DatagramHost, serveDatagrams } from "../mux/served_datagrams.ts";
import { SERVICE_LIMITS } from "../mux/own_services.ts";
import type { SessionLimits } from "../mux/served_sessions.ts";
import { serveStream, type StreamHost } from "../mux/served_stream.ts";
import { Quota } from "../net/connection_quota.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { type RelayScope, relayScope } from "../net/relay_scope.ts";
import { congestionField } from "../net/socket_options.ts";
import type { ForwardCounters, ForwardLimits } from "./forwards.ts";
import { type MuxListeners, serveListeners } from "./mux_listeners.ts";
import { ServedListens, type ServedListensOptions } from "./served_listens.ts";

/** Bytes that are carried at once. */
const CHUNK = 64 * 1024;

export interface StreamServerOptions extends MuxListeners {
  /** Connects to the targets of streams. */
  readonly outbound: Outbound<ForwardTarget>;
  /** Judges where clients ask the server to listen. */
  readonly listenRules: ListenRules;
  /** Opens a listener for a client. */
  readonly listen: ServedListensOptions["listen"];
  readonly datagrams: StreamDatagrams;
  readonly secrets: WireSecrets;
  readonly limits: ForwardLimits;
  readonly pending?: PendingLimits | undefined;
  readonly sessionLimits?: SessionLimits | undefined;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Has all sessions that there are. */
  readonly sessions?: SessionList | undefined;
  /** Called once; `counters` may be called at any time. */
  readonly onCounters?: (counters: () => ForwardCounters) => void;
}

/** Sockets for datagrams, and rules for their targets. */
export interface StreamDatagrams extends Pick<DatagramHost, "resolver" | "rules" | "idleMs"> {
  /** Null = there are none on this system. */
  readonly sockets: DatagramSockets | null;
}

/** Options of a server of streams that may have a device too. */
export interface StreamHostOptions
  extends Omit<StreamServerOptions, "listeners" | "hops" | "congestion" | "signal"> {
  /** Absent = one by `limits`. */
  readonly quota?: Quota;
  /** Logs why a stream has no connection; absent = `said` of the host does. */
  readonly tell?: StreamHost["tell"];
  /** Carries bytes between two clients that meet here; absent = it does not. */
  readonly relay?: RelayPermit | undefined;
}

/** Makes the server of streams whose connections are the scope's. */
export function openStreamHost(
  o: StreamHostOptions,
  { tasks, relays, stack, beforeEnd }: RelayScope,
): MuxServer {
  const { signal } = tasks;
  const { clock, log, secrets, keepMs, outbound } = o;
  const { quota = new Quota(o.limits), tell } = o;
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  const services = new Quota(SERVICE_LIMITS);
  const { cut = signal } = relays.options;
  const meetings = stack.use(
    new MeetingServer({ clock, said, signal: cut, relay: o.relay ?? null }),
  );
  const host = { log, signal, relays, quota, outbound, said, services, meetings, tell };
  const datagrams: DatagramHost = { ...o.datagrams, clock, quota, said };
  const { sockets, idleMs: udpIdleMs } = o.datagrams;
  const listens = new ServedListens({
    rules: o.listenRules,
    listen: o.listen,
    bind: sockets === null ? null : (at, how) => sockets.bind(at, how),
    udpIdleMs,
    clock,
    log,
    said,
    relays,
    quota,
    tasks,
  });
  o.onCounters?.(() => ({
    connections: quota.count,
    served: quota.taken,
    ...(o.relay !== undefined && { relayed: meetings.relays }),
  }));
  const server = stack.use(
    new MuxServer({
      secrets,
      clock,
      log,
      keepMs,
      signal,
      limits: o.pending,
      sessionLimits: o.sessionLimits,
      sessions: o.sessions,
      onOpened: (stream, open, client) => {
        switch (open.kind) {
          case OpenKind.listen:
          case OpenKind.udpListen:
            return listens.serve(stream, open, client);
          case OpenKind.udp:
            return serveDatagrams(datagrams, stream, client);
          default:
            return serveStream(host, stream, open, client);
        }
      },
      facts: congestionField,
    }),
  );
  beforeEnd(() => server.sessions.sayGoingDown());
  return server;
}

/** Serves the streams of any number of clients. Throws the signal's reason, or a listener's error. */
export async function runStreamServer(o: StreamServerOptions): Promise<void> {
  await streamScope(o, (scope) => serveListeners(openStreamHost(o, scope), o, scope));
}

/** Runs `body` and all that it spawns, with what relayed connections share. */
export function streamScope(
  o: Pick<StreamServerOptions, "clock" | "limits" | "signal">,
  body: (scope: RelayScope) => void,
): Promise<void> {
  return relayScope({ ...o, chunk: CHUNK }, body);
}
