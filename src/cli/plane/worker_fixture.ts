/** A data plane for tests of its main thread's side: a Worker that plays the script in its config. */
import { openLibc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import type { PlaneHost } from "./messages.ts";
import { serveWorker } from "./worker_main.ts";
import { PlanePort } from "./worker_port.ts";

/** Crosses in the place of a config. */
export interface Script {
  /** How commands are heard. */
  readonly loop: "blocking" | "messages";
  readonly play:
    | "serve"
    | "addresses"
    | "refuse"
    | "fail"
    | "abort"
    | "tell the end"
    | "fail late"
    | "fail to close"
    | "deaf"
    | "crash"
    | "end";
  /** Blocks its thread when it is ready, until the first number there is 1. */
  readonly until?: SharedArrayBuffer;
}

export const FACTS = { listen: "192.0.2.1:1" };

serveWorker(play);

/** @throws the failure that the script wants */
async function play(
  { loop, play, until }: Script,
  { port: messages, stop: { signal }, stop }: PlaneHost,
): Promise<void> {
  using libc = loop === "blocking" ? openLibc() : null;
  await using reactor = libc === null ? null : new Reactor(libc, "blocking");
  const port = new PlanePort<string>(messages, reactor);
  void port.stop.then(() => stop.abort()); // `stop` never rejects
  if (play === "refuse") throw new TtunError("in_use", "The port is taken");
  port.report({ kind: "ready", facts: FACTS });
  if (until !== undefined) Atomics.wait(new Int32Array(until), 0, 0);
  const start = await Promise.race([port.start, port.stop]);
  switch (play) {
    case "serve":
      return start === undefined ? undefined : await serve(port, start);
    case "addresses":
      await port.tellAddresses(["10.9.0.2/24"], signal);
      say(port, "gone");
      return await port.stop;
    case "fail":
      throw new TtunError("exhausted", `Out of ${start}`);
    case "abort":
      await port.stop;
      return signal.throwIfAborted();
    case "tell the end":
      await port.stop;
      return say(port, port.isEndedOnPurpose ? "ended on purpose" : "ended by a failure");
    case "fail late":
      await port.stop;
      throw new TtunError("system", "Cannot take back the route");
    case "fail to close": {
      using opened = new DisposableStack();
      opened.defer(() => {
        throw new TtunError("system", "Cannot take back the route");
      });
      await port.stop;
      return signal.throwIfAborted();
    }
    case "end":
      return;
    case "crash":
      setTimeout(() => {
        throw new RangeError("broken");
      });
      return await new Promise(() => {});
    case "deaf":
      return await new Promise(() => {});
  }
}

/** Asks for names, logs the answers, then waits for the end. */
async function serve(port: PlanePort<string>, start: string): Promise<void> {
  const { signal } = new AbortController();
  say(port, `start ${start}`);
  port.report({ kind: "reportV2" });
  // Both at once: each has its own answer.
  const [good, bad, gone] = await Promise.allSettled([
    port.resolve("192.0.2.7", { signal }),
    port.resolve("a..b", { signal }),
    port.resolve("192.0.2.8", { signal: AbortSignal.abort(new Error("gone")) }),
  ]);
  say(port, good.status === "fulfilled" ? good.value.join() : "refused");
  say(port, bad.status === "fulfilled" ? "found" : `${bad.reason.kind}: ${bad.reason.message}`);
  say(port, gone.status === "fulfilled" ? "found" : gone.reason.message);
  await port.stop;
  say(port, "stopped");
}

function say(port: PlanePort<string>, message: string): void {
  port.report({ kind: "log", record: { time: 0, level: "info", message, fields: {} } });
}
