import { NativeError } from "../../ffi/linux/errno.ts";
import { type PlainError, plainError, toTtunError, TtunError } from "../base/errors.ts";
import { load } from "./plane/load.ts";
import type { PlaneEvent, WorkerInit } from "./plane/messages.ts";

/** Entry of the Worker that carries what goes through ttun: packets, or a proxy's connections. */
addEventListener("message", (event) => {
  // Never rejects: its failure goes to the main thread as a message.
  void runDataPlane((event as MessageEvent<WorkerInit>).data);
}, { once: true });

async function runDataPlane(beginning: WorkerInit): Promise<void> {
  const { port } = beginning;
  const stop = new AbortController();
  let error: PlainError | null = null;
  try {
    await runPart(beginning, stop);
  } catch (thrown) {
    if (!stop.signal.aborted) error = plainError(translate(thrown));
  }
  port.postMessage({ kind: "ended", error } satisfies PlaneEvent);
  port.close();
  close();
}

/** Loads no more than is used. `stop` is aborted by the order to stop. */
async function runPart(
  { config, port, logLevel }: WorkerInit,
  stop: AbortController,
): Promise<void> {
  switch (config.kind) {
    case "tun":
      return await (await load(() => import("./tun/plane.ts"))).runTunPlane(config, {
        port,
        stop,
        logLevel,
      });
    case "proxy":
      return await (await load(() => import("./proxy/plane.ts"))).runProxyPlane(config, {
        port,
        stop,
        logLevel,
      });
    default:
      config satisfies never;
  }
}

/** A system call that no adapter has translated: rare, but a fact of the system, not a bug. */
function translate(thrown: unknown): TtunError {
  if (!(thrown instanceof NativeError)) return toTtunError(thrown);
  return new TtunError("system", `The operating system refused: ${thrown.message}`, {
    cause: thrown,
  });
}
