import type { ExchangeAbout, HttpTarget } from "../../app/gateway/http_target.ts";
import { serveInspector } from "../../app/gateway/inspect_server.ts";
import { InspectSite } from "../../app/gateway/inspect_site.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { InspectDoor } from "../../core/gateway/inspect/door.ts";
import { ExchangeRecords, type ExchangeTap } from "../../core/gateway/inspect/records.ts";
import { listenAt } from "../platform/listen_at.ts";
import { rng } from "../platform/rng.ts";

export interface InspectorTools {
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Closes the listener. */
  readonly opened: AsyncDisposableStack;
  /** Prints a line for the user. */
  readonly print: (line: string) => void;
}

/** Shows an agent's requests on a page of this machine's loopback. */
export interface Inspector {
  /** Returns what is told of each exchange of a service. */
  tapOf(service: string): (about: ExchangeAbout) => ExchangeTap;
  /** Has requests of a service sent again there, until what it returns is called. */
  serves(service: string, target: Pick<HttpTarget, "replay">): () => void;
}

/** @throws {TtunError} in_use, privilege */
export function openInspector(
  at: HostPort,
  { listen, clock, log, signal, opened, print }: InspectorTools,
): Inspector {
  const stop = new AbortController();
  const life = AbortSignal.any([signal, stop.signal]);
  const told = { doing: "show requests", option: "--inspect" };
  const listener = opened.use(listenAt(at, told, () => listen(at, { signal: life })));
  const targets = new Map<string, Pick<HttpTarget, "replay">>();
  const records = new ExchangeRecords(Date.now);
  const port = "port" in listener.addr ? listener.addr.port : at.port;
  const hosts = [at.host, "localhost"].map((host) => formatAddr({ host, port }));
  const tell = () => print(`Requests: http://${hosts[0]}/?token=${door.token}`);
  const door = new InspectDoor(rng, hosts, tell);
  const site = new InspectSite({
    door,
    records,
    replay: ({ service, head, requestBody, visitor, id }) => {
      const target = targets.get(service);
      const origin = { visitor, requestId: `again-${id}`, replayOf: id };
      target?.replay(head, requestBody.bytes(), origin);
      return target !== undefined;
    },
  });
  const serving = serveInspector({ listener, clock, log, signal: life, site, records })
    .catch((error) => {
      if (!life.aborted) log.warn(`Requests are not shown any more: ${error}`);
    });
  opened.defer(async () => {
    stop.abort();
    await serving;
  });
  tell();
  return {
    tapOf: (service) => (about) => records.begin({ ...about, service }),
    serves: (service, target) => {
      targets.set(service, target);
      return () => {
        // Another one may have taken its place.
        if (targets.get(service) === target) targets.delete(service);
      };
    },
  };
}
