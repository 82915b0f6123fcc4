import { TtunError } from "../../base/errors.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import { type Open, OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import { sleep } from "../loop/sleep.ts";
import { MuxServer } from "../mux/mux_server.ts";
import { SERVICE_LIMITS } from "../mux/own_services.ts";
import type { SessionClient, SessionLimits } from "../mux/served_sessions.ts";
import { addressGroup } from "../net/address_group.ts";
import { Quota } from "../net/connection_quota.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { relayScope } from "../net/relay_scope.ts";
import { congestionField } from "../net/socket_options.ts";
import { type MuxListeners, serveListeners } from "./mux_listeners.ts";

const CHUNK = 64 * 1024;
const NO_LIMITS = { idleMs: Infinity, halfClosedMs: Infinity };

/** Longest wait for a client to have the last bytes, and for its own end then, in milliseconds. */
const DELIVERY_MS = 10_000;
const FAREWELL_MS = 2000;

/** Milliseconds between two looks. */
const LOOK_MS = 20;

/** A stream to a service, and whose it is. */
export interface ServiceCall {
  /** Its open is answered; it is closed when the service settles. */
  readonly stream: MuxStream;
  readonly client: SessionClient;
  /** Aborts when the server ends. */
  readonly signal: AbortSignal;
  /**
   * Ends the whole server without an error, once the service has settled and its client has all
   * that was written, and has left or had the time to. Clients are told.
   */
  readonly end: () => void;
}

/** Serves one stream. A `TtunError` ends that stream alone, and is logged. */
export type Service = (call: ServiceCall) => Promise<void>;

export interface ServiceServerOptions extends MuxListeners {
  /** By the name that clients open. */
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: WireSecrets;
  readonly pending?: PendingLimits | undefined;
  readonly sessionLimits?: SessionLimits | undefined;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Has all sessions that there are. */
  readonly sessions?: SessionList | undefined;
}

/**
 * Serves streams to the given services of ttun's own (docs/wire/link-v2.md, "Services"), and
 * refuses all else that clients open. Returns after `end`.
 * @throws the signal's reason, a listener's error, or a mistake of a service
 */
export async function runServiceServer(o: ServiceServerOptions): Promise<void> {
  const { clock, log, signal } = o;
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  const places = new Quota(SERVICE_LIMITS);
  const limits = NO_LIMITS;
  await relayScope({ clock, signal, limits, chunk: CHUNK }, (scope) => {
    const { tasks, stack, beforeEnd } = scope;
    const serve = async (
      service: Service,
      call: Omit<ServiceCall, "end">,
      place: Disposable,
    ): Promise<void> => {
      let isLast = false;
      try {
        await service({ ...call, end: () => void (isLast = true) });
      } finally {
        place[Symbol.dispose]();
        startClose(call.stream);
        if (isLast) {
          await delivered(call, clock);
          await server.sessions.sayGoingDown();
          scope.end();
        }
      }
    };
    const server = stack.use(
      new MuxServer({
        ...o,
        signal: tasks.signal,
        limits: o.pending,
        facts: congestionField,
        onOpened: (stream, open, client) => {
          const service = serviceOf(o.services, open);
          if (service === null) return stream.answer(Refusal.notSupported, null);
          const { from, account } = client;
          const holder = { account, lastActive: clock.now(), evict: () => stream.reset() };
          const place = places.take(from, holder);
          if (place === null) return stream.answer(Refusal.generalFailure, null);
          stream.answer(OPENED, null);
          tasks.spawn(async (signal) => {
            try {
              await serve(service, { stream, client, signal }, place);
            } catch (error) {
              if (signal.aborted) return;
              if (!(error instanceof TtunError) || error.kind === "internal") throw error;
              const peer = addressGroup(from);
              said.warn(`${open.service} ended`, { peer, why: error.message }, peer);
            }
          });
        },
      }),
    );
    beforeEnd(() => server.sessions.sayGoingDown());
    serveListeners(server, o, scope);
  });
}

function serviceOf(services: ServiceServerOptions["services"], open: Open): Service | null {
  const { kind, service: name } = open;
  if (kind !== OpenKind.service || name === undefined) return null;
  return Object.hasOwn(services, name) ? services[name]! : null;
}

/** Resolves when the client has acknowledged all and has left, or has had the time to. */
async function delivered(
  { client, stream, signal }: Omit<ServiceCall, "end">,
  clock: Clock,
): Promise<void> {
  const { mux } = client;
  const until = clock.now() + DELIVERY_MS;
  do { // what was written just now is sent after the first wait
    await sleep(clock, LOOK_MS, signal);
  } while ((!stream.stats().isDelivered || mux.keptBytes > 0) && clock.now() < until);
  const farewell = clock.now() + FAREWELL_MS;
  while (client.isConnected && clock.now() < farewell) await sleep(clock, LOOK_MS, signal);
}
