import assert from "node:assert/strict";
import fc from "fast-check";
import { REPLAY_WINDOW, ReplayWindow } from "./replay_window.ts";

Deno.test("a counter is new once, and old ones are not known", () => {
  const window = new ReplayWindow();
  for (const counter of [0, 5, 3, REPLAY_WINDOW, 2 ** 38]) {
    assert(window.isNew(counter));
    window.mark(counter);
    assert(!window.isNew(counter));
    assert.equal(window.isNew(counter - REPLAY_WINDOW), false);
  }
  assert(window.isNew(2 ** 38 - REPLAY_WINDOW + 1));
});

Deno.test("the window says what a set of all counters says", () => {
  const step = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -9000, max: 9000 }),
    fc.integer({ min: -20_000, max: 40_000 }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let highest = -1;
    let at = 0;
    for (const by of steps) {
      at = Math.max(0, at + by);
      const isNew = !seen.has(at) && at > highest - REPLAY_WINDOW;
      assert.equal(window.isNew(at), isNew);
      if (!isNew) continue;
      window.mark(at);
      seen.add(at);
      highest = Math.max(highest, at);
    }
    assert.equal(window.highest, highest);
  }));
});
