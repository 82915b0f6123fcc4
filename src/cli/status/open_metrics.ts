import { serveMetrics } from "../../app/status/metrics_server.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener } from "../../contract/dial.ts";
import { isReady, METRICS_TYPE, metricsText } from "../../core/status/metrics.ts";
import { shortAnswer } from "../../core/status/metrics_request.ts";
import type { EndStatus, ReportWishes } from "../../core/status/report.ts";
import { isLoopback } from "../../base/loopback.ts";
import { listenAt } from "../platform/listen_at.ts";
import { VERSION } from "../version.ts";
import type { MetricsPlace } from "./metrics_place.ts";

export interface MetricsTools {
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Closes the listener. */
  readonly opened: AsyncDisposableStack;
}

/** Listens for requests for the metrics, and answers them. @throws {TtunError} in_use, privilege */
export function openMetrics(
  { at, command }: MetricsPlace,
  { listen, clock, log, signal, opened }: MetricsTools,
  source: { readonly isSet: boolean; describe(wishes: ReportWishes): EndStatus },
): void {
  const stop = new AbortController();
  const life = AbortSignal.any([signal, stop.signal]);
  const told = { doing: "serve metrics", option: "--metrics" };
  const listener = opened.use(listenAt(at, told, () => listen(at, { signal: life })));
  const began = clock.now();
  const startedAt = Math.round(Date.now() / 1000);
  const describe = () => source.describe({ mostStreams: null });
  const serving = serveMetrics({
    listener,
    clock,
    log,
    signal: life,
    isOpen: !isLoopback(at.host),
    pages: {
      "/metrics": () => {
        const seconds = (clock.now() - began) / 1000;
        const body = metricsText({ version: VERSION, command, seconds, startedAt, ...describe() });
        return { status: 200, type: METRICS_TYPE, body };
      },
      "/healthz": () => shortAnswer(200, "ok"),
      "/readyz": () =>
        source.isSet && isReady(describe())
          ? shortAnswer(200, "ready")
          : shortAnswer(503, source.isSet ? "no session with the server" : "starting"),
    },
  }).catch((error) => {
    if (!life.aborted) log.warn(`The metrics are not served any more: ${error}`);
  });
  opened.defer(async () => {
    stop.abort();
    await serving;
  });
  log.info("metrics", { url: `http://${formatAddr(listener.addr)}/metrics` });
}
