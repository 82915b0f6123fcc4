import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { LeaseReports } from "./lease_reports.ts";

Deno.test("changes of one second are one report, the last at the end, and nothing without one", async () => {
  const clock = new FakeClock();
  let reports = 0;
  const kept = { kept: () => [] };
  {
    using leases = new LeaseReports(clock, kept, () => reports++);
    await clock.advance(10_000);
    assert.equal(reports, 0);
    for (let i = 0; i < 100; i++) leases.changed();
    await clock.advance(999);
    assert.equal(reports, 0);
    await clock.advance(1);
    assert.equal(reports, 1);
    leases.changed();
  }
  assert.deepEqual([reports, clock.pending], [2, 0]);
  {
    using _idle = new LeaseReports(clock, kept, () => reports++);
  }
  assert.equal(reports, 2);
});
