import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import type { ForwardTarget, Target } from "../../base/target.ts";
import type {
  BoundDatagrams,
  DatagramBinder,
  DatagramFlowEvents,
} from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { DatagramForward } from "../forward/datagram_forward.ts";
import type { ForwardHost } from "../forward/forwarded_connection.ts";
import { runLocalForward } from "../forward/local_forward.ts";
import { runStdioForward, type StdioForward } from "../forward/stdio_forward.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { DEFAULT_LIMITS, limitsFor, type ProxyLimits } from "../net/connection_limits.ts";
import { Quota } from "../net/connection_quota.ts";
import { relayScope } from "../net/relay_scope.ts";
import type { UdpAssociations } from "../proxy/udp_association.ts";
import type { ForwardTable, OpenForward } from "./forward_table.ts";
import { ProxyFront } from "./proxy_front.ts";
import type { RemoteForwards } from "./remote_forwards.ts";

/** Bytes that are carried at once. */
const CHUNK = 64 * 1024;

/**
 * Like ssh's, a forwarded connection stays for as long as both ends want it. All programs of a
 * client come from one address, and all its streams too.
 */
export const FORWARD_LIMITS: ForwardLimits = {
  ...DEFAULT_LIMITS,
  perAddress: DEFAULT_LIMITS.total,
  idleMs: Infinity,
  halfClosedMs: Infinity,
};

export type ForwardLimits = Pick<
  ProxyLimits,
  "total" | "perAddress" | "idleMs" | "halfClosedMs"
>;

/** Limits forwards to what descriptors allow: a connection takes one, for its other side is a stream. */
export function forwardLimits(descriptors: number, log: Logger): ForwardLimits {
  return limitsFor({ ...DEFAULT_LIMITS, ...FORWARD_LIMITS }, descriptors, log, 1);
}

/** A client's way for datagrams. */
export interface ForwardDatagrams extends Pick<UdpAssociations, "isPossible" | "open"> {
  /** Opens UDP sockets for programs of SOCKS; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
}

export interface RunForwardsOptions {
  readonly outbound: Outbound<ForwardTarget>;
  readonly datagrams: ForwardDatagrams;
  /** Milliseconds of silence after which a flow of datagrams ends. */
  readonly udpIdleMs: number;
  /** Forwards of which the other end listens; absent = there are none. */
  readonly remote?: RemoteForwards | undefined;
  readonly limits: ForwardLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** With it the forwards end, without an error, when it has. */
  readonly stdio?: StdioForward | undefined;
  /** Called once; `counters` may be called at any time. */
  readonly onCounters?: (counters: () => ForwardCounters) => void;
}

export interface ForwardCounters {
  readonly connections: number;
  /** Since the start, those of now among them. */
  readonly served: number;
  /** Pairs of clients that go through a server which permits that. */
  readonly relayed?: number;
}

/**
 * Runs forwards until the signal aborts, or `stdio` has ended. Throws the signal's reason, or the
 * first failure of a listener or of `stdio`.
 */
export async function runForwards(
  forwards: ForwardTable,
  o: RunForwardsOptions,
): Promise<void> {
  const { outbound, remote, clock, log, stdio } = o;
  await relayScope({ ...o, chunk: CHUNK }, ({ tasks, relays, end }) => {
    const { signal } = tasks;
    const quota = new Quota(o.limits);
    const said = new RateLimitedLog(log, () => clock.now());
    const host: ForwardHost = { log, signal, relays, quota, outbound, said };
    const frontOptions = { clock, log, signal, relays, quota, auth: null };
    const { bind } = o.datagrams;
    const front = new ProxyFront({
      ...frontOptions,
      outbound,
      ...(bind !== null && { udp: { ...o.datagrams, bind, clock, signal } }),
    });
    o.onCounters?.(() => ({ connections: quota.count, served: quota.taken }));
    tasks.spawn(async () => {
      if (stdio === undefined) return await untilAborted(signal);
      await runStdioForward(stdio, { outbound, relays, signal });
      end();
    });
    if (remote !== undefined) {
      const streams = { ...host, outbound: remote.outbound };
      const datagrams = {
        ...remote.datagrams,
        idleMs: o.udpIdleMs,
        rules: null,
        clock,
        quota,
        said,
      };
      const front = new ProxyFront({ ...frontOptions, outbound: remote.outbound });
      remote.table.start(remote, { streams, datagrams, front, tasks });
    }
    const run = ({ spec }: OpenForward, listener: Listener) =>
      spec.kind === "local"
        ? runLocalForward(host, { listener, to: spec.to, tasks })
        : runDynamicForward(front, { listener, tasks, clock, log });
    const runDatagrams = async (to: Target, socket: BoundDatagrams) => {
      const open = (_: HostPort, events: DatagramFlowEvents) => o.datagrams.open(events);
      using datagrams = new DatagramForward({ socket, open, to, idleMs: o.udpIdleMs, clock });
      await datagrams.run();
    };
    forwards.start((forward) => {
      const spawn = (run: () => Promise<void>) =>
        tasks.spawn(async () => {
          try {
            await run();
          } catch (error) {
            if (forwards.has(forward)) throw error;
          }
        });
      const { listeners, udp } = forward;
      for (const socket of udp?.sockets ?? []) spawn(() => runDatagrams(udp!.to, socket));
      for (const listener of listeners) spawn(() => run(forward, listener));
    });
  });
}

/** A program without a forward that could listen runs on, as ssh does. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void onAbort(signal, () => resolve()));
}

function runDynamicForward(
  front: ProxyFront,
  o: { listener: Listener; tasks: Scope; clock: Clock; log: Logger },
): Promise<never> {
  const { tasks } = o;
  return acceptLoop({
    ...o,
    signal: tasks.signal,
    take: (stream) => {
      tasks.enter();
      return front.serve(stream, stream.remote, tasks.leave);
    },
    evictIdle: () => front.evictIdle(),
  });
}
