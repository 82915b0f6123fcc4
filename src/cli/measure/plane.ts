import { runProbe } from "../../app/system/link_probe.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { mayNeedNames } from "../transport/endpoint.ts";
import { dialerFor, openLinkServer } from "../transport/open.ts";
import type { MeasureConfig, MeasureStart } from "./plane_config.ts";

/** Milliseconds that a connection may be lost in the middle of a measurement. */
const KEEP_MS = 10_000;

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: MeasureConfig, host: PlaneHost): Promise<void> {
  await runPlane(config, host, {
    mayMeetNames: mayNeedNames(config.server),
    endpoints: [config.server],
    openPlatform: () => openSockets(config.io),
    open: (tools: PlaneTools<SocketPlatform, MeasureStart>) => open(config, tools),
  });
}

function open(
  config: MeasureConfig,
  tools: PlaneTools<SocketPlatform, MeasureStart>,
): OpenedPlane<MeasureStart> {
  const { platform, ciphers, resolver, port, log, signal } = tools;
  const { io, mptcp, segmentSize } = config;
  const server = openLinkServer(config.server, config, tools);
  const net = platform.openNet({ io, mptcp, segmentBytes: { dial: segmentSize } }, log);
  const dialer = dialerFor(config.server, net, tools);
  const congestion = platform.planCongestion(config.congestion).choice;
  return {
    facts: {},
    run: ({ s }) =>
      runProbe({
        server,
        dialer,
        resolver,
        secrets: wireSecrets(config, ciphers, s),
        keepMs: KEEP_MS,
        retries: Infinity,
        instance: rng(ID_SIZE),
        congestion,
        clock: platform.clock,
        log,
        signal,
        probe: config.probe,
        print: (line, isProgress = false) => port.report({ kind: "print", line, isProgress }),
      }),
  };
}
