import assert from "node:assert/strict";
import { RateLimits } from "./rate_limits.ts";

Deno.test("a key has its burst, and then as many as come back", () => {
  const limits = new RateLimits({ burst: 3, perSecond: 2, mostKeys: 10 });
  const taken = (now: number) => limits.take("a", now);
  assert.deepEqual([taken(0), taken(0), taken(0), taken(0)], [true, true, true, false]);
  assert.equal(taken(499), false);
  assert.equal(taken(500), true);
  assert.equal(taken(500), false);
  assert.equal(limits.take("b", 500), true);
  assert.deepEqual([taken(9e6), taken(9e6), taken(9e6), taken(9e6)], [true, true, true, false]);
});

Deno.test("a token that is still to come has its time", () => {
  const limits = new RateLimits({ burst: 1, perSecond: 4, mostKeys: 10 });
  const waits = [0, 0, 0, 250].map((now) => limits.reserve("a", now));
  assert.deepEqual(waits, [0, 250, 500, 500]);
  assert.equal(limits.reserve("b", 0, 9), 2000);
});

Deno.test("of many keys the one that was used longest ago is forgotten", () => {
  const limits = new RateLimits({ burst: 1, perSecond: 1, mostKeys: 2 });
  for (const key of ["a", "b"]) assert.equal(limits.take(key, 0), true);
  assert.equal(limits.take("a", 0), false);
  assert.equal(limits.take("c", 0), true);
  assert.equal(limits.take("a", 0), false);
  assert.equal(limits.take("b", 0), true); // it begins anew
});

Deno.test("a clock that goes back gives nothing", () => {
  const limits = new RateLimits({ burst: 1, perSecond: 1, mostKeys: 2 });
  assert.equal(limits.take("a", 5000), true);
  assert.equal(limits.take("a", 0), false);
});
