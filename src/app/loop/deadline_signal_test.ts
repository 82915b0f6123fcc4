import { equal } from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { deadlineSignal } from "./deadline_signal.ts";

const LATE = new Error("late");

Deno.test("a deadline's signal aborts in time, with the outer one, or not at all once it is disposed of", async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const begin = () => deadlineSignal(outer.signal, { clock, ms: 10, late: () => LATE });
  const [first, over] = [begin(), begin()];
  over[Symbol.dispose]();
  await clock.advance(9);
  equal(first.signal.aborted, false);
  await clock.advance(1);
  equal(first.signal.reason, LATE);
  const second = begin();
  const reason = new Error("the end");
  outer.abort(reason);
  equal(second.signal.reason, reason);
  equal(begin().signal.reason, reason);
  equal(over.signal.aborted, false);
});
