import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { StrangerBudget, StrangerTurn } from "./stranger_budget.ts";

/** A budget whose searches take `costMs` each, and what they have taken. */
function budgetOf(costMs: number) {
  const clock = new FakeClock();
  const spent = { ms: 0 };
  const budget = new StrangerBudget({ clock, preciseNow: () => spent.ms });
  const search = () => {
    spent.ms += costMs;
  };
  /** Resolves when a search in this group's turn is over. */
  const come = async (group: string) => {
    using turn = new StrangerTurn(budget, group);
    while (!turn.run(search)) await turn.coming;
  };
  return { clock, budget, spent, search, come };
}

Deno.test("however many come, their searches take a twentieth of the time", async () => {
  for (const costMs of [0.01, 0.7, 30]) {
    const { clock, budget, spent, come } = budgetOf(costMs);
    for (let ms = 0; ms < 10_000; ms += 10) {
      for (let i = 0; i < 30; i++) void come(`host ${i % 3}`);
      await clock.advance(10);
    }
    assert.ok(spent.ms <= 500 + 25 + costMs, `${spent.ms} ms at ${costMs} ms each`);
    if (costMs >= 0.7) assert.ok(spent.ms >= 400, `${spent.ms} ms at ${costMs} ms each`);
    budget[Symbol.dispose]();
    assert.equal(clock.pending, 0);
  }
});

Deno.test("an address that floods delays others by one search, and itself in order", async () => {
  const { clock, budget, come } = budgetOf(1);
  const done: string[] = [];
  const follow = (name: string, group: string) => void come(group).then(() => done.push(name));
  for (let i = 0; i < 500; i++) follow(`flood ${i}`, "flood");
  await clock.settle();
  const before = done.length;
  assert.ok(before >= 25 && before <= 26, `${before}`);
  for (const group of ["first", "second"]) follow(group, group);
  follow("first again", "first");
  await clock.advance(200);
  const rest = done.slice(before);
  assert.deepEqual(rest.slice(0, 6), [
    ...[`flood ${before}`, "first", "second", `flood ${before + 1}`, "first again"],
    `flood ${before + 2}`,
  ]);
  budget[Symbol.dispose]();
});

Deno.test("those who go give their turn to the next, and leave nothing behind", async () => {
  const { clock, budget, search, come } = budgetOf(30);
  await come("stranger");
  const gone = ["a", "a", "b"].map((group) => new StrangerTurn(budget, group));
  for (const turn of gone) assert.equal(turn.run(search), false);
  let isDone = false;
  void come("c").then(() => isDone = true);
  for (const turn of gone) turn[Symbol.dispose]();
  await clock.advance(150);
  assert.equal(isDone, true);
  await clock.advance(2_000);
  assert.equal(clock.pending, 0);
  assert.equal(budget.mayBegin(), true);
});

Deno.test("a turn is good for one search, and a client's searches are given back", async () => {
  const { clock, budget, search } = budgetOf(20);
  using turn = new StrangerTurn(budget, "host");
  for (const isRun of [true, true, false, false]) assert.equal(turn.run(search), isRun);
  await clock.advance(400);
  assert.equal(turn.coming, null);
  assert.equal(turn.run(search), true);
  assert.equal(budget.mayBegin(), false);
  turn.giveBack();
  assert.equal(budget.mayBegin(), true);
  turn.giveBack();
  for (const isRun of [true, true, false]) assert.equal(turn.run(search), isRun);
  budget[Symbol.dispose]();
});
