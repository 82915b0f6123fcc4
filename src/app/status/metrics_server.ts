import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import {
  answerMetrics,
  LONGEST_HEAD,
  type MetricsPages,
} from "../../core/status/metrics_request.ts";
import { read, write } from "../loop/stream_io.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { PendingConnections } from "../net/pending_connections.ts";

/** Connections at a time; the oldest goes for another. */
const MOST_CONNECTIONS = 64;

/** Milliseconds from the accept to the end of the answer. */
const DEADLINE_MS = 5000;

/** Bytes that are read at a time. */
const BUFFER = 2048;

export interface MetricsServerOptions {
  readonly listener: Listener;
  readonly pages: MetricsPages;
  /** Others than this machine reach it: requests may name any host. */
  readonly isOpen: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Answers requests for the metrics. Throws the signal's reason, or the listener's error. */
export async function serveMetrics(o: MetricsServerOptions): Promise<void> {
  const open = new PendingConnections({ total: MOST_CONNECTIONS, perAddress: MOST_CONNECTIONS });
  await scope(o.signal, (tasks) => {
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => serve(stream, open, o)),
        evictIdle: () => open.dropOldest(),
      })
    );
  });
}

/** Handles one connection from accept to close. Never throws: an error ends only this one. */
async function serve(
  stream: Connection,
  open: PendingConnections,
  { pages, isOpen, clock, log }: MetricsServerOptions,
): Promise<void> {
  try {
    await using _stream = stream;
    using _place = open.add(stream.remote, () => stream.reset());
    using _deadline = clock.after(DEADLINE_MS, () => stream.reset());
    const head = await readHead(stream);
    if (head === null) return;
    await write(stream, answerMetrics(head, pages, isOpen));
    await stream.closeWrite();
  } catch (thrown) {
    log.debug("metrics: no answer", { why: toTtunError(thrown).message });
  }
}

/** Returns what comes before the first empty line; null if there is none within the limit. */
async function readHead(stream: Connection): Promise<string | null> {
  const buffer = new Uint8Array(BUFFER);
  let text = "";
  while (text.length <= LONGEST_HEAD) {
    const got = await read(stream, buffer);
    if (got === null) return null;
    text += String.fromCharCode(...buffer.subarray(0, got));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return text.slice(0, end);
  }
  return null;
}
