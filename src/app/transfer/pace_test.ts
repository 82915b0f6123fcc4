import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import type { Clock } from "../../contract/host.ts";
import { Pace } from "./pace.ts";

const RATE = 100_000;
const CHUNK = 10_000;

/** Sends chunks; `clock` is what the pace sees of the fake one. Returns milliseconds. */
function sending(fake: FakeClock, clock: Clock = fake): (chunks: number) => Promise<number> {
  const pace = new Pace(RATE, { clock, signal: new AbortController().signal });
  return async (chunks) => {
    const began = fake.now();
    for (let i = 0; i < chunks; i++) {
      const waits = pace.wait(CHUNK);
      if (waits !== undefined) await fake.until(Promise.resolve(waits));
    }
    return fake.now() - began;
  };
}

Deno.test("no more than so many bytes go in a second, and of a rest a tenth of one is made up for", async () => {
  const clock = new FakeClock();
  const send = sending(clock);
  assert.equal(await send(51), 5000);
  await clock.advance(60_000);
  assert.equal(await send(12), 1000);
});

Deno.test("timers that are late do not slow it down", async () => {
  const clock = new FakeClock();
  const late: Clock = {
    now: () => clock.now(),
    turn: () => clock.turn(),
    onTurn: (run) => clock.onTurn(run),
    after: (ms, run) => clock.after(ms + 150, run),
  };
  const took = await sending(clock, late)(101);
  assert.ok(took >= 10_000 && took <= 10_150, `${took} ms`);
});
