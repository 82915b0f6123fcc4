import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import type { Listener } from "../../contract/dial.ts";
import { scope } from "../../base/scope.ts";
import { acceptAll } from "./accept_all.ts";
import { dial } from "./dial_events.ts";

const PORTS = [1, 2].map((port) => ({ host: "192.0.2.1", port }));

function world() {
  const clock = new FakeClock();
  const { log } = keptLog(clock);
  return { clock, log, net: new MemoryNet(), stop: new AbortController() };
}

Deno.test("connections of all listeners are served, each with its listener", async () => {
  const { clock, log, net, stop } = world();
  const served: string[] = [];
  const all = scope(stop.signal, (tasks) => {
    const listeners = PORTS.map((at) => net.listen(at, { signal: tasks.signal }));
    const serve = async (stream: AsyncDisposable, listener: Listener) => {
      served.push(`${"port" in listener.addr && listener.addr.port}`);
      await stream[Symbol.asyncDispose]();
    };
    acceptAll(tasks, { listeners, clock, log, serve, evictIdle: () => false, signal: stop.signal });
  });
  const ended = assert.rejects(all, /stop/);
  for (const at of [PORTS[1]!, PORTS[0]!, PORTS[1]!]) {
    await using _stream = await dial(net.dialer(), at, { signal: stop.signal });
    await clock.settle();
  }
  assert.deepEqual(served, ["2", "1", "2"]);
  stop.abort(new Error("stop"));
  await ended;
});

Deno.test("all ends with the one connection of a listener that gives no other", async () => {
  const { clock, log, net, stop } = world();
  const [near, far] = memoryPair();
  let isGiven = false;
  const single: Listener = {
    addr: { path: "" },
    isSingle: true,
    acceptNow: () => isGiven ? null : (isGiven = true, near),
    onAcceptable: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const over = Promise.withResolvers<void>();
  let isOver = false;
  const all = scope(stop.signal, (tasks) => {
    const listeners = [single, net.listen(PORTS[0]!, { signal: tasks.signal })];
    const serve = () => over.promise;
    acceptAll(tasks, { listeners, clock, log, serve, evictIdle: () => false, signal: stop.signal });
  }).then(() => isOver = true);
  await clock.settle();
  assert.equal(isOver, false);
  over.resolve();
  await all;
  await far[Symbol.asyncDispose]();
});
