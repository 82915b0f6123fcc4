import assert from "node:assert/strict";
import fc from "fast-check";
import { type Timer, Timers } from "./timers.ts";

Deno.test("timers run in the order of their times, whichever of them are cancelled meanwhile", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ set: fc.integer({ min: 0, max: 1000 }) }),
      fc.record({ cancel: fc.nat({ max: 500 }) }),
    ),
    { maxLength: 600, size: "max" },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      const timers = new Timers();
      const all: { timer: Timer; time: number; isWanted: boolean }[] = [];
      const ran: number[] = [];
      for (const step of steps) {
        if ("set" in step) {
          const number = all.length;
          const timer = timers.at(step.set, () => ran.push(number));
          all.push({ timer, time: step.set, isWanted: true });
        } else if (step.cancel < all.length) {
          timers.cancel(all[step.cancel]!.timer);
          all[step.cancel]!.isWanted = false;
        }
      }
      const wanted = all.flatMap(({ isWanted, time }, i) => isWanted ? [{ time, i }] : []);
      wanted.sort((a, b) => a.time - b.time || a.i - b.i);
      assert.equal(timers.due(), wanted[0]?.time ?? Infinity);
      timers.run(500);
      assert.deepEqual(ran, wanted.filter(({ time }) => time <= 500).map(({ i }) => i));
      timers.run(1000);
      assert.deepEqual(ran, wanted.map(({ i }) => i));
      assert.equal(timers.due(), Infinity);
      for (const { timer } of all) timers.cancel(timer); // those that ran are gone already
      timers.at(2000, () => ran.push(-1));
      assert.equal(timers.due(), 2000);
    }),
    { numRuns: 60 },
  );
});

Deno.test("timers that are cancelled keep no memory until their time", () => {
  const timers = new Timers();
  const kept = timers.at(5000, () => {});
  for (let i = 0; i < 100_000; i++) timers.cancel(timers.at(1000 + i, () => {}));
  assert(timers.size < 200, `${timers.size} of them are left`);
  assert.equal(timers.due(), kept.time);
});
