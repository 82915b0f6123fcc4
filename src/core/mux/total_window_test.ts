import assert from "node:assert/strict";
import fc from "fast-check";
import { MuxPair } from "../../../tests/fake/mux_end.ts";
import { CountedBudget } from "../../../tests/fake/mux_path.ts";
import { TtunError } from "../../base/errors.ts";
import { TotalWindow } from "./total_window.ts";

fc.configureGlobal({ seed: 22 });

const RTT = 20;

/** A window of 1000 bytes at first and 8000 at most, of which `received` were used and `read` read. */
function windowOf(received: number, read: number, budget = new CountedBudget()): TotalWindow {
  const window = new TotalWindow(1000, 8000, budget, 0);
  assert(window.receive(received));
  window.consume(read);
  return window;
}

Deno.test("more is due when half was used, and not before", () => {
  assert.equal(windowOf(499, 499).isDue, false);
  assert.equal(windowOf(500, 500).isDue, true);
});

Deno.test("used up within two round trips it doubles, and slower it stays", () => {
  assert.equal(windowOf(500, 500).grant(2 * RTT, RTT), 500 + 2000);
  assert.equal(windowOf(500, 500).grant(2 * RTT + 1, RTT), 500 + 1000);
  assert.equal(windowOf(500, 500).grant(200, NaN), 500 + 2000, "100 ms stand for one not known");
  assert.equal(windowOf(500, 500).grant(201, NaN), 500 + 1000);
});

Deno.test("the time begins again with each grant", () => {
  const window = windowOf(500, 500);
  window.grant(1000, RTT);
  window.receive(500);
  window.consume(500);
  assert.equal(window.grant(1000 + 2 * RTT, RTT), 1000 + 2000);
});

Deno.test("bytes that nobody reads make it grow until the others have room, up to the most", () => {
  const window = windowOf(500, 0);
  let [limit, received] = [1000, 500];
  const limits: (number | null)[] = [];
  for (let now = 1000; now < 10_000; now += 1000) {
    if (!window.isDue) {
      assert(window.receive(limit - received));
      received = limit;
    }
    const more = window.grant(now, RTT);
    limits.push(more);
    limit = more ?? limit;
  }
  assert.deepEqual(limits, [2000, 4000, 8000, null, null, null, null, null, null]);
  assert.equal(window.receive(1), false);
});

Deno.test("it does not grow where memory is short, and shrinks where little of it is held", () => {
  const budget = new CountedBudget();
  const window = windowOf(500, 500, budget);
  assert.equal(window.grant(1, RTT), 2500);
  budget.isShort = true;
  window.receive(1000);
  window.consume(1000);
  assert.equal(window.grant(2, RTT), 1500 + 1500);
  assert.equal(budget.taken, 500);
  window.receive(1000);
  window.consume(500);
  assert.equal(window.grant(3, RTT), 2000 + 1500, "a third of it is held");
  assert.equal(budget.taken, 500);
  const held = windowOf(500, 0, budget);
  assert.equal(held.grant(1, RTT), null);
  assert.equal(budget.taken, 500);
});

Deno.test("a little more than was granted is not worth a frame", () => {
  const window = windowOf(600, 100);
  assert.equal(window.grant(1000, NaN), 2100, "more than half is held");
  const slow = windowOf(900, 450);
  assert.equal(slow.grant(1000, RTT), 1450);
  slow.receive(500);
  slow.consume(120);
  assert.equal(slow.grant(2000, RTT), 570 + 2000, "it holds 830");
  const little = windowOf(500, 124);
  assert.equal(little.grant(1000, RTT), null);
  assert.equal(little.granted, 1000);
  little.consume(1);
  assert.equal(little.grant(2000, RTT), 1125);
});

Deno.test("a limit never goes down, stays below the most, and all memory is given back", () => {
  const steps = fc.array(fc.record({
    receive: fc.nat(600),
    read: fc.nat(600),
    wait: fc.nat(40),
    isShort: fc.boolean(),
  }));
  fc.assert(fc.property(steps, (all) => {
    const budget = new CountedBudget(5000);
    const window = windowOf(0, 0, budget);
    let [now, received, read] = [0, 0, 0];
    for (const step of all) {
      budget.isShort = step.isShort;
      const size = Math.min(step.receive, window.granted - received);
      assert(window.receive(size));
      received += size;
      const consumed = Math.min(step.read, received - read);
      window.consume(consumed);
      read += consumed;
      now += step.wait;
      const before = window.granted;
      if (window.isDue) window.grant(now, RTT);
      assert(window.granted >= before && window.granted - read <= 8000);
      assert(budget.taken >= 0 && budget.taken <= 5000);
    }
    window.close();
    assert.equal(budget.taken, 0);
  }));
});

Deno.test("what arrives while a session ends takes no memory any more, and says why it ended", () => {
  const budget = new CountedBudget();
  const windows = { stream: 80_000, total: 80_000, streams: 1 };
  const { client, server } = new MuxPair({ budget, local: windows, peer: windows });
  const here = client.open();
  server.give(client.record()!);
  const error = new TtunError("lost", "It was asked to end");
  server.lastOpened.onReadable(() => server.mux.end(error));
  for (let i = 0; i < 2; i++) here.writeNow(new Uint8Array(30_000)); // two frames of a record
  assert.throws(() => server.give(client.record()!), error);
  assert.equal(budget.taken, 0);
});
