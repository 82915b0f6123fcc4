import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { HttpRequest, ServerStep } from "../../core/http/exchange.ts";
import { Http1Server } from "../../core/http/http1/server.ts";
import type { ExchangeRecords } from "../../core/gateway/inspect/records.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { PendingConnections } from "../net/pending_connections.ts";
import { InspectEvents } from "./inspect_events.ts";
import { EVENTS_HEAD, type InspectSite } from "./inspect_site.ts";
import { MachineDriver } from "./machine_driver.ts";

/** Connections at a time; the oldest goes for another. */
const MOST_CONNECTIONS = 64;

/** Milliseconds for the next request, and for the rest of a head. */
const PATIENCE = { request: 60_000, head: 10_000 };

/** Bytes that are read at a time. */
const BUFFER = 16 * 1024;

export interface InspectServerOptions {
  readonly listener: Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly site: InspectSite;
  readonly records: ExchangeRecords;
}

/** Serves an agent's page. Throws the signal's reason, or the listener's error. */
export async function serveInspector(o: InspectServerOptions): Promise<void> {
  const open = new PendingConnections({ total: MOST_CONNECTIONS, perAddress: MOST_CONNECTIONS });
  const scratch = new Uint8Array(BUFFER);
  await scope(o.signal, (tasks) => {
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => serve(stream, scratch, open, o)),
        evictIdle: () => open.dropOldest(),
      })
    );
  });
}

/** Serves one connection. Never throws. */
async function serve(
  stream: Connection,
  scratch: Uint8Array,
  open: PendingConnections,
  { clock, site, records }: InspectServerOptions,
): Promise<void> {
  using _place = open.add(stream.remote, () => stream.reset());
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const machine = new Http1Server({
    scheme: "http",
    makePage: (_, words) => ({
      fields: [{ name: "Content-Type", value: "text/plain; charset=utf-8" }],
      body: utf8(`${words}.\n`),
    }),
  });
  let events: InspectEvents | null = null;
  const endEvents = () => {
    events?.[Symbol.dispose]();
    events = null;
  };
  const answer = (id: number, head: HttpRequest) => {
    const found = site.answer(head);
    if (found === "events") {
      driver.call(() => machine.respond(id, EVENTS_HEAD));
      events = new InspectEvents({ machine, driver }, id, records, clock);
      return;
    }
    const { head: response, body } = found;
    driver.call(() => machine.respond(id, response));
    if (body.length > 0) driver.call(() => machine.data(id, body));
    driver.call(() => machine.end(id, []));
  };
  const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
    clock,
    scratch,
    patience: PATIENCE,
    endMeansLeft: true,
    onStep: (step) => {
      if (step.kind === "request") answer(step.id, step.head);
      else if (step.kind === "reset") endEvents();
    },
    onIdle: () => events?.flush(),
    onLate: () => driver.call(() => machine.timedOut()),
    onOver: () => {
      endEvents();
      resolve();
    },
  });
  driver.start();
  await over;
}
