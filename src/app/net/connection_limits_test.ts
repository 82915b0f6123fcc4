import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { limitsFor } from "./connection_limits.ts";
import { DEFAULT_LIMITS } from "./connection_limits.ts";

Deno.test("connections at once are as many as descriptors allow, with some kept for other uses", () => {
  const { log, records } = keptLog(new FakeClock());
  for (const descriptors of [Infinity, 1_048_576, 40_000]) {
    assert.equal(limitsFor(DEFAULT_LIMITS, descriptors, log), DEFAULT_LIMITS);
  }
  assert.equal(records.length, 0);
  const few = limitsFor(DEFAULT_LIMITS, 1024, log);
  assert.deepEqual([few.total, few.perAddress, few.idleMs], [384, 384, DEFAULT_LIMITS.idleMs]);
  assert.deepEqual(records[0]?.fields, { connections: 384, descriptors: 1024 });
  assert.equal(limitsFor(DEFAULT_LIMITS, 20_000, log).total, 9872);
  assert.equal(limitsFor(DEFAULT_LIMITS, 10_000, log, 1).total, 9744);
  assert.equal(limitsFor(DEFAULT_LIMITS, 128, log, 1).total, 64);
  assert.equal(limitsFor(DEFAULT_LIMITS, 2, log).total, 1);
  assert.equal(limitsFor({ ...DEFAULT_LIMITS, total: 100 }, 1024, log).total, 100);
});
