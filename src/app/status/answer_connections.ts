import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { PendingConnections } from "../net/pending_connections.ts";

/** Connections at a time; the oldest goes for another. */
const MOST_CONNECTIONS = 64;

/** Milliseconds from the accept to the end of the answer. */
const DEADLINE_MS = 5000;

export interface AnswerOptions {
  readonly listener: Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Reads a request, and writes its answer. An error ends the connection. */
type Answer = (stream: Connection) => Promise<void>;

/**
 * Calls `answer` for each connection of a listener, with bounds to their number and time, and closes
 * it then. `name` is the listener's in the log. Throws the signal's reason, or the listener's error.
 */
export async function answerConnections(
  o: AnswerOptions,
  name: string,
  answer: Answer,
): Promise<void> {
  const open = new PendingConnections({ total: MOST_CONNECTIONS, perAddress: MOST_CONNECTIONS });
  await scope(o.signal, (tasks) => {
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => serve(stream, open, o, name, answer)),
        evictIdle: () => open.dropOldest(),
      })
    );
  });
}

/** Handles one connection from accept to close. Never throws: an error ends only this one. */
async function serve(
  stream: Connection,
  open: PendingConnections,
  { clock, log }: AnswerOptions,
  name: string,
  answer: Answer,
): Promise<void> {
  try {
    await using _stream = stream;
    using _place = open.add(stream.remote, () => stream.reset());
    using _deadline = clock.after(DEADLINE_MS, () => stream.reset());
    await answer(stream);
  } catch (thrown) {
    log.debug(`${name}: no answer`, { why: toTtunError(thrown).message });
  }
}
