import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { makeLogger } from "../../base/log.ts";
import { Draining } from "./draining.ts";

function world(o: { visitors: number; open: number }) {
  const clock = new FakeClock();
  let hasMoved = false;
  const draining = new Draining({
    clock,
    log: makeLogger(() => {}, () => 0, "error"),
    moveAgents: () => {
      hasMoved = true;
      return Promise.resolve();
    },
    visitors: () => o.visitors,
    open: () => o.open,
  });
  let isDone = false;
  const begin = () => void draining.run().then(() => isDone = true);
  return { clock, draining, begin, isDone: () => isDone, hasMoved: () => hasMoved };
}

Deno.test("a gateway without visitors ends at once", async () => {
  const { clock, draining, begin, isDone, hasMoved } = world({ visitors: 0, open: 0 });
  begin();
  assert.equal(draining.begun.aborted, true);
  await clock.advance(1);
  assert.equal(isDone(), true);
  assert.equal(hasMoved(), true);
});

Deno.test("exchanges that are under way are waited for, but not without end", async () => {
  const o = { visitors: 1, open: 1 };
  const first = world(o);
  first.begin();
  await first.clock.advance(4000);
  assert.equal(first.isDone(), false);
  o.open = 0;
  await first.clock.advance(100);
  assert.equal(first.isDone(), true);
  const second = world({ visitors: 1, open: 1 });
  second.begin();
  second.begin();
  await second.clock.advance(7100);
  assert.equal(second.isDone(), true);
});
