import assert from "node:assert/strict";
import { CountedBudget } from "../../../tests/fake/mux_path.ts";
import { KEPT_STEP, KeptAllowance, OWN_KEPT } from "./kept_allowance.ts";

Deno.test("a session keeps its own part without the budget, and more as far as that goes", () => {
  const budget = new CountedBudget(2 * KEPT_STEP);
  const one = new KeptAllowance(1 << 30, budget);
  const other = new KeptAllowance(1 << 30, budget);
  assert(one.mayGrow(OWN_KEPT - 1));
  assert.equal(budget.taken, 0);
  assert(one.mayGrow(OWN_KEPT));
  assert(one.mayGrow(OWN_KEPT + KEPT_STEP));
  assert(!one.mayGrow(OWN_KEPT + 2 * KEPT_STEP));
  assert(other.mayGrow(OWN_KEPT - 1) && !other.mayGrow(OWN_KEPT));
  one.shrink(0);
  assert.equal(budget.taken, KEPT_STEP, "a step is left to it");
  assert(other.mayGrow(OWN_KEPT));
  one.close();
  other.close();
  assert.equal(budget.taken, 0);
});

Deno.test("a session keeps no more than its limit, whatever the budget has", () => {
  const one = new KeptAllowance(3 * KEPT_STEP, new CountedBudget());
  for (let kept = 0; kept < 3 * KEPT_STEP; kept += KEPT_STEP / 2) assert(one.mayGrow(kept));
  assert(!one.mayGrow(3 * KEPT_STEP));
});
