import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { TtunError } from "../../base/errors.ts";
import { BlockedStreams, LOOK_MS, lossOf } from "./blocked.ts";

function open(blocked: BlockedStreams) {
  const [near, far] = memoryPair();
  const told: string[] = [];
  const one = { from: near, gone: (error: TtunError) => void told.push(error.kind) };
  blocked.add(one);
  return { one, near, far, told };
}

Deno.test("who is reset while it is held back is told of within five seconds, once", async () => {
  const clock = new FakeClock();
  using blocked = new BlockedStreams(clock);
  const [a, b, c] = [open(blocked), open(blocked), open(blocked)];
  a.far.reset();
  b.far.reset();
  c.far.closeWrite();
  blocked.delete(b.one);
  await clock.advance(LOOK_MS - 1);
  assert.deepEqual([a.told, clock.pending], [[], 1]);
  await clock.advance(1);
  assert.deepEqual([a.told, b.told, c.told], [["lost"], [], []], "a FIN is no reset");
  c.far.reset();
  await clock.advance(2 * LOOK_MS);
  assert.deepEqual([a.told, c.told], [["lost"], ["lost"]]);
  assert.equal(clock.pending, 0, "nobody is left");
});

Deno.test("no timer is left when nobody is held back any more", async () => {
  const clock = new FakeClock();
  const blocked = new BlockedStreams(clock);
  const { one, near } = open(blocked);
  assert.equal(lossOf(near), null);
  blocked.delete(one);
  await clock.advance(LOOK_MS);
  assert.equal(clock.pending, 0);
  open(blocked);
  blocked[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});
