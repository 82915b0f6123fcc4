import { type LogFields, type Logger, makeLogger } from "../../base/log.ts";
import type { Resolver } from "../../contract/host.ts";
import { LiveMeter } from "../../core/status/live_meter.ts";
import { PortList } from "../../core/status/port_list.ts";
import { SessionList } from "../../core/status/session_list.ts";
import type { EndStatus, ReportWishes } from "../../core/status/report.ts";
import type { PlaneCiphers } from "./wire_secrets.ts";
import { chooseCiphers } from "../platform/choose_cipher.ts";
import { knownCosts } from "../platform/cipher_costs.ts";
import { loadNames } from "../platform/load_names.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { CommonConfig } from "./common_config.ts";
import { load } from "./load.ts";
import { type ChangeableForwards, PlaneStatus } from "./plane_status.ts";
import type { PlaneHost } from "./messages.ts";
import type { MetricsTools } from "../status/open_metrics.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { loadTransports } from "../transport/open.ts";
import { PlanePort } from "./worker_port.ts";

export interface PlaneTools<P extends SocketPlatform, Start> {
  readonly platform: P;
  readonly port: PlanePort<Start>;
  readonly log: Logger;
  readonly ciphers: PlaneCiphers;
  readonly resolver: Resolver;
  /** Resolves the other end's name, by queries with the mark of its connections if they have one. */
  readonly carrierResolver: Resolver;
  /** Aborts when the data plane is told to stop. */
  readonly signal: AbortSignal;
  /** Closes what is added, the last first, before the platform closes. */
  readonly opened: AsyncDisposableStack;
  /** Sets what the status signals log from now on. */
  readonly onCounters: (counters: () => LogFields) => void;
  /** Sessions with peers, for the status socket. */
  readonly sessions: SessionList;
  /** Ports that hop, for the status socket. */
  readonly portList: PortList;
  /** Sets what the status socket tells from now on, and the forwards that it may change. */
  readonly onReport: (
    describe: (wishes: ReportWishes) => EndStatus,
    forwards?: ChangeableForwards,
  ) => void;
  /** Sets what is done, and waited for, before the signal aborts. It never rejects. */
  readonly onStop: (finish: () => Promise<void>) => void;
  /** Does nothing without --user. Returns true if this thread may still change the network. */
  readonly becomeUser: () => boolean;
}

export interface OpenedPlane<Start> {
  /** Crosses to the main thread by structured clone. */
  readonly facts: object;
  /** Runs until the signal aborts. Calls `becomeUser` once nothing needs root any more. */
  run(start: Start): Promise<void>;
}

export interface PlaneSteps<P extends SocketPlatform, Start> {
  /** False means that only addresses are given: the name service need not be loaded. */
  readonly mayMeetNames: boolean;
  /** Ends whose transports are opened; absent = none but TCP. */
  readonly endpoints?: readonly Endpoint[];
  readonly userChange?: { keeps: "network" };
  /** SO_MARK of the connections to the other end (Linux). */
  readonly mark?: number | undefined;
  /** This machine's name servers become the tunnel's, which the other end's name is not asked of. */
  readonly setsNameServers?: boolean;
  openPlatform(): P;
  /** @throws {TtunError} if a device or listener cannot be opened */
  open(tools: PlaneTools<P, Start>): Promise<OpenedPlane<Start>> | OpenedPlane<Start>;
}

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function runPlane<P extends SocketPlatform, Start>(
  { user, aead, status, metrics, io }: CommonConfig,
  { port: messages, stop, logLevel }: PlaneHost,
  steps: PlaneSteps<P, Start>,
): Promise<void> {
  // All is loaded before there is a loop that blocks: nothing would wake it when it is there.
  const [openNames, openStatus, openMetrics] = await Promise.all([
    loadNames(steps.mayMeetNames),
    status === null ? null : loadStatus(),
    metrics === null ? null : loadMetrics(),
    loadTransports(steps.endpoints ?? []),
  ]);
  await using platform = steps.openPlatform();
  const port = new PlanePort<Start>(messages, platform.reactor);
  let finish = () => Promise.resolve();
  void port.stop.then(() => finish()).then(() => stop.abort()); // none of them rejects
  await using opened = new AsyncDisposableStack();
  const { signal } = stop;
  const log = makeLogger((record) => port.report({ kind: "log", record }), Date.now, logLevel);
  const change = user === undefined ? null : platform.userChange(user, steps.userChange);
  const chosen = opened.use(chooseCiphers(aead, log));
  const ciphers = { ...chosen, costs: opened.use(knownCosts(chosen, platform.clock)).costs };
  const transports = [...new Set(steps.endpoints?.map(({ scheme }) => scheme))];
  const portList = new PortList();
  const source = new PlaneStatus(() => ({
    ...(transports.length > 0 && { transports }),
    aead: chosen.name,
    ...(!portList.isEmpty && { hopPorts: portList.describe() }),
  }));
  const meter = new LiveMeter();
  port.onLive(() => {
    const status = source.describe({ mostStreams: null });
    port.report({ kind: "live", sample: meter.sample(status, platform.clock.now()) });
  });
  if (status !== null) openStatus?.(status, { platform, log, signal, opened }, source);
  if (metrics !== null) {
    const net = platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
    const listen: MetricsTools["listen"] = (at, o) => net.listen(at, o);
    const { clock } = platform;
    openMetrics?.(metrics, { listen, clock, log, signal, opened }, source);
  }
  const ask = (host: string) => port.resolve(host, { signal });
  const resolver = openNames(ask, platform);
  const { mark } = steps;
  const plane = await steps.open({
    platform,
    port,
    log,
    ciphers,
    resolver,
    carrierResolver: mark === undefined && steps.setsNameServers !== true
      ? resolver
      : openNames(ask, platform, { mark }),
    signal,
    opened,
    onCounters: (counters) => port.onStatus(() => log.info("status", counters())),
    sessions: new SessionList(),
    portList,
    onReport: (describe, forwards) => source.set(describe, forwards),
    onStop: (run) => finish = run,
    becomeUser: () => {
      const keepsNetwork = change?.() ?? true;
      if (change !== null) log.info("became another user", { user });
      return keepsNetwork;
    },
  });
  port.report({ kind: "ready", facts: plane.facts });
  const start = await Promise.race([port.start, port.stop]);
  if (start !== undefined) await plane.run(start);
}

async function loadStatus() {
  return (await load(() => import("../status/open_status.ts"))).openStatus;
}

async function loadMetrics() {
  return (await load(() => import("../status/open_metrics.ts"))).openMetrics;
}
