/** A data plane for tests of its main thread's side: a Worker that plays what its config says. */
import { openLibc } from "../../../ffi/linux/libc.ts";
import { plainError, TtunError } from "../../base/errors.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import type { PlaneEvent } from "./messages.ts";
import { PlanePort } from "./worker_port.ts";

/** What crosses in the place of a config. */
export interface Script {
  /** How orders are heard. */
  readonly loop: "blocking" | "messages";
  readonly play: "serve" | "addresses" | "refuse" | "fail" | "deaf" | "crash" | "end";
}

export const FACTS = { listen: "192.0.2.1:1" };

addEventListener("message", (event) => {
  const { config, port } = (event as MessageEvent<{ config: Script; port: MessagePort }>).data;
  void play(config, port); // a rejection ends the Worker, which the tests of a crash want
}, { once: true });

async function play(script: Script, port: MessagePort): Promise<void> {
  const error = await perform(script, port);
  port.postMessage(
    { kind: "ended", error: error === null ? null : plainError(error) } satisfies PlaneEvent,
  );
  port.close();
  close();
}

/** What it ends with, when everything is closed. */
async function perform({ loop, play }: Script, port: MessagePort): Promise<TtunError | null> {
  using libc = loop === "blocking" ? openLibc() : null;
  await using reactor = libc === null ? null : new Reactor(libc, "blocking");
  const orders = new PlanePort<string>(port, reactor);
  if (play === "refuse") return new TtunError("in_use", "The port is taken");
  orders.report({ kind: "ready", facts: FACTS });
  const go = await Promise.race([orders.go, orders.stop]);
  switch (play) {
    case "serve":
      if (go !== undefined) await serve(orders, go);
      return null;
    case "addresses":
      await tellAddresses(orders);
      return null;
    case "fail":
      return new TtunError("exhausted", `Out of ${go}`);
    case "end":
      return null;
    case "crash":
      setTimeout(() => {
        throw new RangeError("broken");
      });
      return await new Promise(() => {});
    case "deaf":
      return await new Promise(() => {});
  }
}

/** Asks for names, and tells what comes of that, then waits for the end. */
async function serve(orders: PlanePort<string>, go: string): Promise<void> {
  const { signal } = new AbortController();
  say(orders, `go ${go}`);
  orders.report({ kind: "reportV2" });
  // Both at once: each has its own answer.
  const [good, bad, gone] = await Promise.allSettled([
    orders.resolve("192.0.2.7", { signal }),
    orders.resolve("a..b", { signal }),
    orders.resolve("192.0.2.8", { signal: AbortSignal.abort(new Error("gone")) }),
  ]);
  say(orders, good.status === "fulfilled" ? good.value.join() : "refused");
  say(orders, bad.status === "fulfilled" ? "found" : `${bad.reason.kind}: ${bad.reason.message}`);
  say(orders, gone.status === "fulfilled" ? "found" : gone.reason.message);
  await orders.stop;
  say(orders, "stopped");
}

/** Tells them as a session does that ends with everything else. */
async function tellAddresses(orders: PlanePort<string>): Promise<void> {
  const end = new AbortController();
  void orders.stop.then(() => end.abort()); // `stop` never rejects
  try {
    await orders.tellAddresses(["10.9.0.2/24"], end.signal);
    say(orders, "gone");
    await orders.stop;
  } catch (error) {
    if (!end.signal.aborted) throw error;
  }
}

function say(orders: PlanePort<string>, message: string): void {
  orders.report({ kind: "log", record: { time: 0, level: "info", message, fields: {} } });
}
