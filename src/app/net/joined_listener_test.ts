import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { accept } from "../loop/stream_io.ts";
import { dial } from "./dial_events.ts";
import { JoinedListener } from "./joined_listener.ts";

Deno.test("connections of all listeners are accepted, whenever they come, each once", async () => {
  const clock = new FakeClock();
  const net = new MemoryNet({ clock });
  const { signal } = new AbortController();
  const at = (port: number) => ({ host: "192.0.2.1", port });
  const listener = new JoinedListener([7, 8].map((port) => net.listen(at(port), { signal })));
  assert.deepEqual(listener.addr, at(7));
  const dialler = net.dialer("192.0.2.2");
  const streams = [];
  for (const port of [8, 7, 8, 8, 7]) {
    const accepting = accept(listener, { signal });
    const mine = await dial(dialler, at(port), { signal });
    const theirs = await accepting;
    assert.deepEqual(theirs.local, at(port));
    streams.push(mine, theirs);
  }
  // Those that came before anybody waits.
  for (const port of [7, 8]) streams.push(await dial(dialler, at(port), { signal }));
  for (let i = 0; i < 2; i++) streams.push(await accept(listener, { signal }));
  assert.equal(listener.acceptNow({ signal }), null);
  for (const stream of streams) await stream[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
});
