import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { discard } from "./discard.ts";
import { write } from "../loop/stream_io.ts";

Deno.test("a stranger who always sends lets all others have their turns", async () => {
  const clock = new FakeClock();
  const [near] = memoryPair();
  let reads = 0;
  near.readNow = (into) => {
    if (++reads > 100_000) throw new Error("nobody else had a turn");
    return clock.turns < 3 ? into.length : null; // whoever has a turn may close it
  };
  await clock.until(discard(near, clock));
  assert.equal(clock.turns, 3);
  await near[Symbol.asyncDispose]();
});

Deno.test("what a stranger sends is read until he ends", async () => {
  const clock = new FakeClock();
  const [near, far] = memoryPair({ capacity: 1_000 });
  const thrown = discard(near, clock);
  await clock.until(Promise.resolve(write(far, new Uint8Array(100_000))));
  await far.closeWrite();
  await clock.until(thrown);
  await far[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
});
