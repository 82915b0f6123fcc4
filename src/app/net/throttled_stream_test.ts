import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { read, write } from "../loop/stream_io.ts";
import { ByteRate, ThrottledStream } from "./throttled_stream.ts";

function make(perSecond: number) {
  const clock = new FakeClock();
  const [near, far] = memoryPair();
  const rate = new ByteRate(clock, perSecond);
  return { clock, near, far, rate, stream: new ThrottledStream(far, rate) };
}

/** Reads so many bytes; returns how many milliseconds that took. */
async function take({ clock, stream }: ReturnType<typeof make>, bytes: number): Promise<number> {
  const began = clock.now();
  const into = new Uint8Array(65_536);
  await clock.until((async () => {
    for (let left = bytes; left > 0;) {
      const got = await read(stream, into.subarray(0, Math.min(left, into.length)));
      assert(got !== null);
      left -= got;
    }
  })());
  return clock.now() - began;
}

Deno.test("a second's bytes go at once, and more at the rate", async () => {
  const world = make(10_000);
  const writing = write(world.near, new Uint8Array(50_000));
  assert.equal(await take(world, 10_000), 0);
  const took = await take(world, 40_000);
  assert(took >= 3900 && took <= 4100, `${took} ms`);
  await writing;
  await world.clock.advance(60_000); // a rest saves no more than a second
  void write(world.near, new Uint8Array(30_000));
  const after = await take(world, 30_000);
  assert(after >= 1900 && after <= 2100, `${after} ms`);
  assert.equal(world.clock.pending, 0);
});

Deno.test("a rate below the least that is waited for gets there too", async () => {
  const world = make(100);
  void write(world.near, new Uint8Array(500));
  const took = await take(world, 500);
  assert(took >= 3900 && took <= 4100, `${took} ms`);
});

Deno.test("the end and what is written pass at once; a reset ends a wait", async () => {
  const { clock, near, rate, stream } = make(1000);
  await write(stream, new Uint8Array(5000));
  assert.equal(near.readNow(new Uint8Array(8000)), 5000);
  void write(near, new Uint8Array(1500));
  assert.equal(stream.readNow(new Uint8Array(8000)), 1000);
  assert.equal(rate.left, 0);
  const waiting = assert.rejects(async () => await read(stream, new Uint8Array(10)), {
    kind: "lost",
  });
  await clock.settle();
  stream.reset();
  await waiting;
  assert.equal(clock.pending, 0);
});
