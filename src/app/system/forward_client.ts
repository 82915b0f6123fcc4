import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort, scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { StdioForward } from "../forward/stdio_forward.ts";
import type { WireSecrets } from "../link/config.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { dial } from "../net/dial_events.ts";
import { dialAny } from "../net/dial_host.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import {
  type ForwardCounters,
  type ForwardLimits,
  type OpenForward,
  runForwards,
} from "./forwards.ts";
import type { RemoteForwards } from "./remote_forwards.ts";
import { type DirectServer, serverName } from "./tun_client_options.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

export interface ForwardClientOptions {
  readonly forwards: readonly OpenForward[];
  /** With it the program ends, without an error, when it has. */
  readonly stdio?: StdioForward | undefined;
  /** Forwards of which the server listens. */
  readonly remote?: Omit<RemoteForwards, "listens"> | undefined;
  readonly server: HostPort | DirectServer;
  /** To the addresses of a server that has some. */
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly secrets: WireSecrets;
  readonly limits: ForwardLimits;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  readonly retries: number;
  /** 16 random bytes, one value for each process. */
  readonly instance: Uint8Array;
  /** Undefined = the system's. */
  readonly congestion?: CongestionChoice | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called once; `counters` may be called at any time. */
  readonly onCounters?: (counters: () => ForwardCounters) => void;
}

/**
 * Runs forwards over a session with a server, until `stdio` has ended where it is given. Throws the
 * signal's reason, or the last failure.
 */
export async function runForwardClient(o: ForwardClientOptions): Promise<void> {
  const { server, log, forwards, remote } = o;
  const tuner = new Tuner(log, o.congestion);
  const client = new MuxClient({
    ...o,
    endsWithSession: o.stdio !== undefined,
    dial: async (signal) => {
      log.debug("connecting", { server: serverName(server) });
      const stream = await dialServer(o, signal);
      tuner.tune(stream);
      return stream;
    },
    facts: congestionField,
  });
  using _bye = onAbort(o.signal, () => client.sayBye()); // before the scope's own
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => client.run(signal));
    tasks.spawn(async (signal) => {
      await runForwards(forwards, {
        ...o,
        signal,
        outbound: client.outbound,
        remote: remote && { ...remote, listens: client.listens },
      });
      await client.outbound.delivered(signal);
      client.sayBye();
      tasks.cancel();
    });
  });
}

function dialServer(o: ForwardClientOptions, signal: AbortSignal): Promise<Connection> {
  const { server } = o;
  const timeoutMs = DIAL_TIMEOUT;
  if ("dialer" in server) return dial(server.dialer, undefined, { signal, timeoutMs });
  return dialAny({ ...o, to: server, nameMs: NAME_TIMEOUT, timeoutMs, signal });
}
