import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { Cable } from "../../../tests/fake/pipe.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import { resetBehind, whenDelivered } from "./delivered.ts";
import { write } from "../loop/stream_io.ts";

Deno.test("a reset behind what was written comes at once where that has arrived", async () => {
  const clock = new FakeClock();
  const [near, far] = memoryPair();
  write(near, utf8("last words"));
  let isOver = false;
  whenDelivered(near, clock, () => isOver = true);
  assert.equal(isOver, true);
  await resetBehind(near, clock);
  assert.throws(() => readNowAll(far), { kind: "lost" });
  assert.equal(clock.pending, 0);
});

Deno.test("else it waits, for ten seconds at the most", async () => {
  const clock = new FakeClock();
  const cable = new Cable();
  for (const isPlugged of [true, false]) {
    cable.pull();
    const [near, far] = memoryPair({ cables: [cable] });
    write(near, utf8("last words"));
    let isOver = false;
    resetBehind(near, clock).then(() => isOver = true);
    await clock.advance(9_999);
    assert.equal(isOver, false);
    if (isPlugged) cable.plug();
    await clock.advance(20);
    assert.equal(isOver, true);
    if (isPlugged) assert.equal(far.readNow(new Uint8Array(100)), 10);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("where nobody can tell, a little while; a stream that is gone needs none", async () => {
  const clock = new FakeClock();
  const [near] = memoryPair();
  const after = async (info: ConnectionStats) => {
    near.stats = () => info;
    const began = clock.now();
    let took = Infinity;
    whenDelivered(near, clock, () => took = clock.now() - began);
    await clock.advance(1000);
    return took;
  };
  assert.equal(await after({ protocol: "tcp" }), 200);
  assert.equal(await after({ protocol: "tcp", peerClosed: true }), 0);
  assert.equal(await after({ protocol: "tcp", peerClosed: true, isDelivered: false }), Infinity);
});
