import { deepEqual, equal } from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { WarmUpPace } from "./warm_up_pace.ts";

/** Rounds of two milliseconds until the budget is spent; returns when each began. */
async function roundsOf(
  o: { budgetMs: number; eagerMs: number; activity?: (now: number) => number; calmAt?: number },
): Promise<number[]> {
  const clock = new FakeClock();
  const pace = new WarmUpPace({
    ...o,
    clock,
    activity: () => (o.activity ?? (() => 0))(clock.now()),
  });
  const began: number[] = [];
  const start = clock.now();
  await clock.until(
    new Promise<void>((resolve) => {
      const round = () => {
        if (pace.isOver) return resolve();
        began.push(clock.now() - start);
        if (o.calmAt !== undefined && clock.now() - start >= o.calmAt) pace.calm();
        clock.after(2, () => pace.next(round));
      };
      round();
    }),
  );
  return began;
}

Deno.test("at first there is no pause, then one after each slice of 5 ms", async () => {
  const began = await roundsOf({ budgetMs: 30, eagerMs: 12 });
  deepEqual(began, [0, 2, 4, 6, 8, 10, 17, 19, 21, 28, 30, 32, 39, 41, 43]);
});

Deno.test("once real work may come, there are pauses at once", async () => {
  const began = await roundsOf({ budgetMs: 18, eagerMs: 100, calmAt: 4 });
  deepEqual(began, [0, 2, 4, 11, 13, 15, 22, 24, 26]);
});

Deno.test("after real work the pause is longer", async () => {
  const began = await roundsOf({ budgetMs: 18, eagerMs: 0, activity: (now) => now });
  deepEqual(began, [0, 2, 4, 56, 58, 60, 112, 114, 116]);
});

Deno.test("in a pause all wait that ask for their turn", async () => {
  const clock = new FakeClock();
  using pace = new WarmUpPace({ clock, budgetMs: 100, eagerMs: 0, activity: () => 0 });
  await clock.advance(6);
  const went: string[] = [];
  pace.next(() => went.push("a"));
  await clock.advance(1);
  pace.next(() => went.push("b"));
  deepEqual(went, []);
  await clock.advance(5);
  deepEqual(went, ["a", "b"]);
});

Deno.test("disposal in a pause ends it", async () => {
  const clock = new FakeClock();
  const pace = new WarmUpPace({ clock, budgetMs: 100, eagerMs: 0, activity: () => 0 });
  await clock.advance(6);
  let went = false;
  pace.next(() => went = true);
  pace[Symbol.dispose]();
  await clock.advance(100);
  equal(went, false);
});
