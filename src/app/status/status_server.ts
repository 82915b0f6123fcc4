import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import type { Clock } from "../../contract/host.ts";
import {
  LONGEST_REQUEST,
  packFailure,
  packReport,
  parseRequest,
  type StatusRequest,
} from "../../core/status/messages.ts";
import type { StatusReport } from "../../core/status/report.ts";
import { read, write } from "../loop/stream_io.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { PendingConnections } from "../net/pending_connections.ts";

/** Connections at a time; the oldest goes for another. */
const MOST_CONNECTIONS = 64;

/** Milliseconds from the accept to the end of the answer. */
const DEADLINE_MS = 5000;

/** Bytes that most requests fit. */
const FIRST_BUFFER = 1024;

const LINE_END = 0x0a;

export interface StatusServerOptions {
  readonly listener: Listener;
  /** Does what is asked for, and describes the program then. @throws {TtunError} for the answer */
  readonly answer: (request: StatusRequest) => MaybePromise<StatusReport>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Answers requests for the status. Throws the signal's reason, or the listener's error. */
export async function serveStatus(o: StatusServerOptions): Promise<void> {
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
  { answer, clock, log }: StatusServerOptions,
): Promise<void> {
  try {
    await using _stream = stream;
    using _place = open.add(stream.remote, () => stream.reset());
    using _deadline = clock.after(DEADLINE_MS, () => stream.reset());
    const line = await readLine(stream);
    if (line === null) return;
    await write(stream, await packAnswer(line, answer));
    await stream.closeWrite();
  } catch (thrown) {
    log.debug("status socket: no answer", { why: toTtunError(thrown).message });
  }
}

async function packAnswer(
  line: Uint8Array,
  answer: StatusServerOptions["answer"],
): Promise<Uint8Array> {
  try {
    return packReport(await answer(parseRequest(line)));
  } catch (thrown) {
    return packFailure(toTtunError(thrown));
  }
}

/** Returns what comes before the first line end; null if there is none within the limit. */
async function readLine(stream: Connection): Promise<Uint8Array | null> {
  let buffer = new Uint8Array(FIRST_BUFFER);
  for (let have = 0;;) {
    const got = await read(stream, buffer.subarray(have));
    if (got === null) return null;
    const end = buffer.subarray(0, have + got).indexOf(LINE_END, have);
    if (end >= 0) return buffer.subarray(0, end);
    have += got;
    if (have < buffer.length) continue;
    if (have >= LONGEST_REQUEST) return null;
    const larger = new Uint8Array(Math.min(4 * have, LONGEST_REQUEST));
    larger.set(buffer);
    buffer = larger;
  }
}
