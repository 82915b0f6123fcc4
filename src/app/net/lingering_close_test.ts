import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { linger } from "./lingering_close.ts";
import { write } from "../loop/stream_io.ts";

function start() {
  const clock = new FakeClock();
  const [near, far] = memoryPair();
  near.closeWrite();
  const done = linger(near, clock);
  let isDone = false;
  done.then(() => isDone = true);
  return { clock, near, far, done, isDone: () => isDone };
}

Deno.test("what still comes is dropped, until the other end's FIN", async () => {
  const { clock, far, isDone } = start();
  write(far, new Uint8Array(100_000));
  await clock.advance(1500);
  write(far, new Uint8Array(10));
  await clock.settle();
  assert.equal(isDone(), false);
  far.closeWrite();
  await clock.settle();
  assert.equal(isDone(), true);
  assert.equal(clock.pending, 0);
});

Deno.test("an end that is silent for two seconds is closed", async () => {
  const { clock, far, isDone } = start();
  await clock.advance(1000);
  write(far, new Uint8Array(1000));
  await clock.advance(1999);
  assert.equal(isDone(), false);
  await clock.advance(1);
  assert.equal(isDone(), true);
  assert.deepEqual(readNowAll(far).isEnded, true, "no reset");
  assert.equal(clock.pending, 0);
});

Deno.test("it lasts thirty seconds, though bytes keep coming, and then is a reset", async () => {
  const { clock, far, isDone } = start();
  for (let i = 0; i < 29; i++) {
    await clock.advance(1000);
    write(far, new Uint8Array(1000));
  }
  await clock.advance(999);
  assert.equal(isDone(), false);
  await clock.advance(1);
  assert.equal(isDone(), true);
  assert.throws(() => write(far, new Uint8Array(1)), { kind: "lost" });
  assert.equal(clock.pending, 0);
});

Deno.test("an end that is gone is no error", async () => {
  const { clock, far, done } = start();
  await clock.settle();
  far.reset();
  await done;
  assert.equal(clock.pending, 0);
});

Deno.test("a flood lets the others have a turn", async () => {
  const clock = new FakeClock();
  const [near] = memoryPair();
  let left = 100;
  near.readNow = (into) => left-- > 0 ? into.length : null;
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns++) await setImmediate();
  })();
  await linger(near, clock);
  isOver = true;
  await others;
  assert.ok(turns >= 10, `${turns} turns`);
});
