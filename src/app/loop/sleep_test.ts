import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { sleep } from "./sleep.ts";

Deno.test("sleep() ends when its time is over", async () => {
  const clock = new FakeClock();
  await clock.until(sleep(clock, 70, new AbortController().signal));
  assert.deepEqual([clock.now(), clock.pending], [70, 0]);
});

Deno.test("an abort ends the sleep with its reason and leaves no timer", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const reason = new Error("stop");
  const sleeping = assert.rejects(sleep(clock, 70, stop.signal), (error) => error === reason);
  await clock.advance(69);
  stop.abort(reason);
  await sleeping;
  assert.equal(clock.pending, 0);
  await assert.rejects(sleep(clock, 70, stop.signal), (error) => error === reason);
  assert.equal(clock.pending, 0);
});
