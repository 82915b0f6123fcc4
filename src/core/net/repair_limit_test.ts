import assert from "node:assert/strict";
import { RepairLimit } from "./repair_limit.ts";

Deno.test("three repairs in a minute, then it is left, which is said once", () => {
  const limit = new RepairLimit();
  const at = [0, 10_000, 20_000, 30_000, 40_000, 500_000];
  assert.deepEqual(at.map((now) => limit.next(now)), [
    "repair",
    "repair",
    "repair",
    "leave",
    "left",
    "left",
  ]);
});

Deno.test("what happens seldom is put back each time", () => {
  const limit = new RepairLimit();
  for (let now = 0; now < 3_600_000; now += 20_000) assert.equal(limit.next(now), "repair");
});

Deno.test("when it has been complete in between, a minute counts again", () => {
  const limit = new RepairLimit();
  for (const now of [0, 1, 2]) limit.next(now);
  assert.equal(limit.next(3), "leave");
  limit.resume();
  assert.equal(limit.next(59_999), "leave");
  limit.resume();
  assert.equal(limit.next(60_000), "repair");
});
