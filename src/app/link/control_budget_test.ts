import assert from "node:assert/strict";
import { ControlBudget } from "./control_budget.ts";

Deno.test("a peer may send 512 control frames at once, and 128 a second for ever", () => {
  const budget = new ControlBudget(1_000);
  assert.equal(budget.take(512, 1_000), true);
  for (let second = 1; second <= 3_600; second++) {
    assert.equal(budget.take(128, 1_000 + 1_000 * second), true, `${second}`);
  }
  assert.equal(budget.take(1, 3_601_000), false);
});

Deno.test("a pause gives no more than a burst back", () => {
  const budget = new ControlBudget(0);
  assert.equal(budget.take(513, 1e9), false);
  const other = new ControlBudget(0);
  assert.equal(other.take(512, 1e9), true);
});
