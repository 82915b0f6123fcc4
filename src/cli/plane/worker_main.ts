import { NativeError } from "../../../ffi/native.ts";
import { type PlainError, plainError, toTtunError, TtunError } from "../../base/errors.ts";
import type { PlaneEvent, PlaneHost, WorkerInit } from "./messages.ts";

/**
 * Runs a data plane in its Worker. `run` throws the reason of `host.stop` after a stop, or the
 * failure that ended it.
 */
export function serveWorker<Config>(
  run: (config: Config, host: PlaneHost) => Promise<void>,
): void {
  addEventListener("message", (event) => {
    // Never rejects: a failure is reported by a message.
    void runToEnd((event as MessageEvent<WorkerInit<Config>>).data, run).then(close);
  }, { once: true });
}

/** Never rejects: the message `ended` tells a failure. */
export async function runToEnd<Config>(
  { config, port, logLevel }: WorkerInit<Config>,
  run: (config: Config, host: PlaneHost) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  let error: PlainError | null = null;
  try {
    await run(config, { port, stop, logLevel });
  } catch (thrown) {
    const failure = withoutStop(thrown, stop.signal);
    if (failure !== null) error = plainError(translate(failure));
  }
  port.postMessage({ kind: "ended", error } satisfies PlaneEvent);
  port.close();
}

/** Every task throws the abort itself on unchanged. Anything else after a stop is a failure. */
function withoutStop(thrown: unknown, { aborted, reason }: AbortSignal): unknown {
  if (!aborted) return thrown;
  const isCleanUp = thrown instanceof SuppressedError && thrown.suppressed === reason;
  const failure = isCleanUp ? thrown.error : thrown;
  return failure === reason ? null : failure;
}

/** A system call's error that no adapter has translated is the system's, not a bug. */
function translate(thrown: unknown): TtunError {
  if (!(thrown instanceof NativeError)) return toTtunError(thrown);
  return new TtunError("system", `The operating system refused: ${thrown.message}`, {
    cause: thrown,
  });
}
