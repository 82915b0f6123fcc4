import { runForwardClient } from "../../app/system/forward_client.ts";
import type { ForwardCounters } from "../../app/system/forwards.ts";
import { runStreamServer } from "../../app/system/stream_server.ts";
import type { StdioForward } from "../../app/forward/stdio_forward.ts";
import { TtunError } from "../../base/errors.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Listener } from "../../contract/dial.ts";
import { formatHopAddress } from "../../core/hop/hop_address.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import type { EndStatus, ReportWishes } from "../../core/status/report.ts";
import type { ChangeableForwards } from "../plane/plane_status.ts";
import { ticketGuard } from "../peer/ticket_guard.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { withKeys } from "../plane/server_keys.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { Net, SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus, forwardsStatus } from "../status/describe.ts";
import { formatEndpoint, hopOf, mayNeedNames } from "../transport/endpoint.ts";
import { keyedHop } from "../transport/hop_key.ts";
import { dialerFor, listenerName, openLinkServer, openListener } from "../transport/open.ts";
import { openForwards } from "./open_forwards.ts";
import { prepareListens, streamTargets } from "./stream_targets.ts";
import type {
  ForwardClientEnd,
  ForwardConfig,
  ForwardFacts,
  ForwardServerEnd,
  ForwardStart,
} from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, ForwardStart>;

/** Needs no privilege. @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: ForwardConfig, host: PlaneHost): Promise<void> {
  const { end } = config;
  await runPlane(config, host, {
    mayMeetNames: end.role === "server" || mayServeTargets(end) || mayNeedNames(end.server),
    endpoints: end.role === "client" ? [end.server] : end.listen,
    openPlatform: () => openSockets(config.io),
    open: (tools: Tools) =>
      end.role === "server" ? openServerEnd(config, end, tools) : openClientEnd(config, end, tools),
  });
}

/** True where there are targets of -R, or may come while it runs. */
function mayServeTargets({ stdio, forwards }: ForwardClientEnd): boolean {
  return stdio === undefined || forwards.remotes.length > 0;
}

function openServerEnd(
  config: ForwardConfig,
  end: ForwardServerEnd,
  tools: Tools,
): OpenedPlane<ForwardStart> {
  const { platform, ciphers, opened, log } = tools;
  const net = openNet(config, tools, "listen");
  prepareListens(platform);
  const listening: { name: string; listener: Listener }[] = [];
  const hops = end.listen.flatMap((endpoint) => hopOf(endpoint) ?? []);
  for (const endpoint of end.listen.filter((endpoint) => hopOf(endpoint) === null)) {
    const listener = opened.use(openListener(endpoint, { ...tools, net }));
    listening.push({ name: listenerName(endpoint, listener), listener });
  }
  const listeners = listening.map(({ listener }) => listener);
  const names = [...listening.map(({ name }) => name), ...hops.map(formatHopAddress)];
  const facts: ForwardFacts = { listen: names.join(" ") };
  const choice = becomeUser(config, tools, "server");
  for (const { name } of listening) log.info("listening", { address: name });
  return {
    facts,
    run: ({ s }) =>
      withKeys(end.keys, tools, (keys, signal) =>
        runStreamServer({
          ...common(config, tools, s, () => ({ listen: names })),
          secrets: {
            ...wireSecrets(config, ciphers, s, keys),
            ...ticketGuard(end.listen, platform.clock),
          },
          signal,
          ...streamTargets(end.streams, { ...tools, io: config.io }),
          congestion: choice,
          listeners,
          hops: {
            ends: hops.map((hop) => keyedHop(hop, config)),
            listen: (at, o) => net.listen(at, o),
            portList: tools.portList,
          },
        })),
  };
}

function openClientEnd(
  config: ForwardConfig,
  end: ForwardClientEnd,
  tools: Tools,
): OpenedPlane<ForwardStart> {
  const { resolver, port } = tools;
  const net = openNet(config, tools, "dial");
  const server = openLinkServer(end.server, config, tools);
  const dialer = dialerFor(end.server, net, tools);
  const forwards = openForwards(end.forwards, { ...tools, net, io: config.io });
  const stdio = end.stdio === undefined ? undefined : openStdio(end.stdio, tools);
  const choice = becomeUser(config, tools, "client");
  const facts: ForwardFacts = {};
  return {
    facts,
    run: async ({ s }) =>
      await runForwardClient({
        ...common(
          config,
          tools,
          s,
          () => ({ server: formatEndpoint(end.server), forwards: forwardsStatus(forwards) }),
          forwards,
        ),
        ...forwards,
        stdio,
        congestion: choice,
        server,
        dialer,
        resolver,
        retries: end.retries,
        firstRetries: end.firstRetries,
        instance: rng(ID_SIZE),
        onUp: () => port.report({ kind: "up" }),
      }),
  };
}

/** @throws {TtunError} system, without native calls */
function openStdio(to: ForwardTarget, { platform: { reactor }, signal }: Tools): StdioForward {
  if (reactor !== null) return { stream: new StdioStream({ reactor, signal }), to };
  throw new TtunError(
    "system",
    "Cannot use -W here: it is for Linux only so far, without --io deno",
  );
}

/** Only connections between the two ends have segments of a size. */
function openNet(
  { io, mptcp, segmentSize }: ForwardConfig,
  tools: Tools,
  way: "dial" | "listen",
): Net {
  return tools.platform.openNet({ io, mptcp, segmentBytes: { [way]: segmentSize } }, tools.log);
}

/** Returns the congestion control between the two ends. Nothing needs root any more. */
function becomeUser({ congestion, cipher, io }: ForwardConfig, tools: Tools, role: string) {
  const { platform, ciphers, log } = tools;
  platform.planCongestion(congestion); // for root the kernel loads its module
  tools.becomeUser();
  const plan = platform.planCongestion(congestion);
  log.info(role, {
    cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io,
    congestion: plan.text,
    device: "none",
  });
  return plan.choice;
}

/** `describe` tells the status socket of this end; `forwards` are those that it may change. */
function common(
  config: ForwardConfig,
  tools: Tools,
  s: Uint8Array,
  describe: () => EndStatus,
  forwards?: ChangeableForwards,
) {
  const { platform, ciphers, log, sessions, signal, onCounters, onReport } = tools;
  return {
    secrets: wireSecrets(config, ciphers, s),
    clock: platform.clock,
    log,
    sessions,
    signal,
    onCounters: (counters: () => ForwardCounters) => {
      onCounters(() => ({ ...counters() }));
      const status = ({ mostStreams }: ReportWishes) => ({
        ...describe(),
        connections: connectionsStatus(counters()),
        sessions: sessions.describe(mostStreams),
      });
      onReport(status, forwards);
    },
  };
}
