import { deepEqual, equal } from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { WarmUpPace } from "./warm_up_pace.ts";

/** Rounds of two milliseconds until the budget is spent; returns when each began. */
async function roundsOf(
  o: { budgetMs: number; eagerMs: number; isBusy?: (now: number) => boolean; giveWayAt?: number },
): Promise<number[]> {
  const clock = new FakeClock();
  const pace = new WarmUpPace({
    ...o,
    clock,
    isBusy: () => o.isBusy?.(clock.now()) === true,
  });
  const began: number[] = [];
  const start = clock.now();
  await clock.until(
    new Promise<void>((resolve) => {
      const round = () => {
        if (pace.isOver) return resolve();
        began.push(clock.now() - start);
        if (o.giveWayAt !== undefined && clock.now() - start >= o.giveWayAt) pace.giveWay();
        clock.after(2, () => pace.next(round));
      };
      round();
    }),
  );
  return began;
}

Deno.test("at first there is no pause, then one after each slice of 3 ms", async () => {
  const began = await roundsOf({ budgetMs: 24, eagerMs: 12 });
  deepEqual(began, [0, 2, 4, 6, 8, 10, 22, 24, 36, 38, 50, 52]);
});

Deno.test("once real work may come, there is a long pause, then short ones", async () => {
  const began = await roundsOf({ budgetMs: 14, eagerMs: 100, giveWayAt: 4 });
  deepEqual(began, [0, 2, 4, 256, 258, 270, 272]);
});

Deno.test("while real work comes there is no slice", async () => {
  const isBusy = (now: number) => now > 3 && now < 200;
  const began = await roundsOf({ budgetMs: 12, eagerMs: 100, isBusy });
  deepEqual(began, [0, 2, 204, 206, 208, 210]);
});

Deno.test("in a pause all wait that ask for their turn", async () => {
  const clock = new FakeClock();
  using pace = new WarmUpPace({ clock, budgetMs: 100, eagerMs: 0, isBusy: () => false });
  await clock.advance(6);
  const went: string[] = [];
  pace.next(() => went.push("a"));
  await clock.advance(1);
  pace.next(() => went.push("b"));
  deepEqual(went, []);
  await clock.advance(10);
  deepEqual(went, ["a", "b"]);
});

Deno.test("disposal in a pause ends it", async () => {
  const clock = new FakeClock();
  const pace = new WarmUpPace({ clock, budgetMs: 100, eagerMs: 0, isBusy: () => false });
  await clock.advance(6);
  let went = false;
  pace.next(() => went = true);
  pace[Symbol.dispose]();
  await clock.advance(100);
  equal(went, false);
});
