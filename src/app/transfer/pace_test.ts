import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { Pace } from "./pace.ts";

Deno.test("no more than so many bytes go in a second, and a rest is not made up for", async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const pace = new Pace(100_000, { clock, signal });
  const send = async (chunks: number) => {
    const began = clock.now();
    for (let i = 0; i < chunks; i++) {
      const waits = pace.wait(10_000);
      if (waits !== undefined) await clock.until(Promise.resolve(waits));
    }
    return clock.now() - began;
  };
  assert.equal(await send(51), 5000);
  await clock.advance(60_000);
  assert.equal(await send(11), 1000);
});
