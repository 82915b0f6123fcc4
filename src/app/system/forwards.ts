import { type Addr, formatAddr, type HostPort, requireHostPort } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
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
import {
  type DynamicForwardSpec,
  formatListen,
  formatTo,
  isUdp,
  type LocalForwardSpec,
} from "../../core/forward/spec.ts";
import { DatagramForward } from "../forward/datagram_forward.ts";
import type { ForwardHost } from "../forward/forwarded_connection.ts";
import { runLocalForward } from "../forward/local_forward.ts";
import { openListeners } from "../forward/open_listeners.ts";
import { runStdioForward, type StdioForward } from "../forward/stdio_forward.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { DEFAULT_LIMITS, limitsFor, type ProxyLimits } from "../net/connection_limits.ts";
import { Quota } from "../net/connection_quota.ts";
import { relayScope } from "../net/relay_scope.ts";
import type { UdpAssociations } from "../proxy/udp_association.ts";
import { ProxyFront } from "./proxy_front.ts";
import { type RemoteForwards, requestRemoteForwards } from "./remote_forwards.ts";

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

/** A forward of which this end listens. */
export type ListeningForward = LocalForwardSpec | DynamicForwardSpec;

export interface ListenForwardsOptions {
  readonly specs: readonly ListeningForward[];
  /** Opens a listener that lives under the signal. @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: Addr, o: { signal: AbortSignal }) => Listener;
  /** Opens a UDP socket that lives under the signal; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
  /** A forward that cannot listen is an error; otherwise the log says so. */
  readonly exitOnFailure: boolean;
  readonly log: Logger;
  /** The listeners live under it. */
  readonly signal: AbortSignal;
}

export interface OpenForward {
  readonly spec: ListeningForward;
  readonly listeners: readonly Listener[];
  /** Null for TCP. */
  readonly udp: { readonly to: Target; readonly sockets: readonly BoundDatagrams[] } | null;
}

/** Opens the listeners of all forwards; the log has their addresses. @throws {TtunError} */
export function listenForwards(o: ListenForwardsOptions): readonly OpenForward[] {
  const { specs, exitOnFailure, log } = o;
  const forwards: OpenForward[] = [];
  for (const spec of specs) {
    try {
      forwards.push(openForward(spec, o));
    } catch (thrown) {
      const error = toTtunError(thrown);
      if (exitOnFailure || error.kind === "internal") throw thrown;
      log.warn("cannot forward", {
        listen: formatListen(spec.listen),
        to: formatTo(spec),
        why: error.message,
      });
    }
  }
  for (const { spec, listeners, udp } of forwards) {
    const listen = [...listeners, ...udp?.sockets ?? []].map(({ addr }) => formatAddr(addr)).join(
      " ",
    );
    log.info("forward", { listen, to: formatTo(spec) });
  }
  return forwards;
}

function openForward(
  spec: ListeningForward,
  { listen, bind, signal }: ListenForwardsOptions,
): OpenForward {
  if (!isUdp(spec)) {
    const listeners = openListeners(spec.listen, (at) => listen(at, { signal }));
    return { spec, listeners, udp: null };
  }
  if (bind === null) throw noUdp();
  const sockets = openListeners(spec.listen, (at) => bind(requireHostPort(at), { signal }));
  return { spec, listeners: [], udp: { to: spec.to, sockets } };
}

/** Says that this system has no UDP sockets for forwards. */
export function noUdp(): TtunError {
  return new TtunError(
    "system",
    "Cannot forward UDP here: it is for Linux only so far, with native calls (--allow-ffi)",
  );
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
}

/**
 * Runs forwards until the signal aborts, or `stdio` has ended. Throws the signal's reason, or the
 * first failure of a listener or of `stdio`.
 */
export async function runForwards(
  forwards: readonly OpenForward[],
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
      requestRemoteForwards(remote, { streams, datagrams, front, tasks });
    }
    for (const { spec, listeners, udp } of forwards) {
      for (const socket of udp?.sockets ?? []) {
        const open = (_: HostPort, events: DatagramFlowEvents) => o.datagrams.open(events);
        const { to } = udp!;
        tasks.spawn(async () => {
          using forward = new DatagramForward({ socket, open, to, idleMs: o.udpIdleMs, clock });
          await forward.run();
        });
      }
      for (const listener of listeners) {
        tasks.spawn(() =>
          spec.kind === "local"
            ? runLocalForward(host, { listener, to: spec.to, tasks })
            : runDynamicForward(front, { listener, tasks, clock, log })
        );
      }
    }
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
