import assert from "node:assert/strict";
import fc from "fast-check";
import { CountedBudget, MBIT, MuxPath } from "../../../tests/fake/mux_path.ts";
import type { MuxStream } from "./mux_stream.ts";
import { ReceiveWindow, SharedBudget } from "./receive_window.ts";

fc.configureGlobal({ seed: 21 });

const KIB = 1024;
const FIRST = { stream: 64 * KIB, total: 256 * KIB, streams: 100 };
const FULL = new Uint8Array(128 * KIB);

function pathOf(rate: number, rtt: number, budget = new CountedBudget()): MuxPath {
  return new MuxPath({
    rate,
    rtt,
    local: FIRST,
    peer: FIRST,
    mostStream: 16 * KIB * KIB,
    mostTotal: 64 * KIB * KIB,
    budget,
  });
}

type Budgets = [SharedBudget, SharedBudget, SharedBudget];

const into = new Uint8Array(64 * KIB);

/** Reads all that is there, at most so many bytes; returns how many. */
function drain(stream: MuxStream, most = Infinity): number {
  let sum = 0;
  while (sum < most) {
    const got = stream.readNow(into.subarray(0, Math.min(into.length, most - sum)));
    if (got === undefined || got === null) break;
    sum += got;
  }
  return sum;
}

for (
  const [name, rate, rtt] of [
    ["100 Mbit/s and 20 ms", 100 * MBIT, 20],
    ["20 Mbit/s and 200 ms", 20 * MBIT, 200],
    ["1 Gbit/s and 40 ms", 1000 * MBIT, 40],
    ["1 Gbit/s and 2 ms", 1000 * MBIT, 2],
  ] as const
) {
  Deno.test(`a stream fills a path of ${name} within a second and some round trips`, () => {
    const path = pathOf(rate, rtt);
    const [here, there] = path.connect();
    let got = 0;
    const each = () => {
      here.writeNow(FULL);
      got += drain(there);
    };
    path.run(Math.max(1000, 10 * rtt), each);
    got = 0;
    path.run(1000, each);
    assert(got > 0.8 * rate * 1000, `${Math.round(got / rate / 10)} % of the rate`);
  });
}

Deno.test("windows grow to some bandwidth-delay products, not to the most", () => {
  const budget = new CountedBudget();
  const path = pathOf(100 * MBIT, 20, budget);
  const [here, there] = path.connect();
  path.run(3000, () => {
    here.writeNow(FULL);
    drain(there);
  });
  const product = 100 * MBIT * 20;
  assert(budget.most < 2 * 8 * product, `${budget.most} bytes`); // a stream's and all together
});

for (const rtt of [NaN, 1000]) {
  Deno.test(`the round trip shows in windows that are used up, whatever pings say: ${rtt} ms`, () => {
    const budget = new CountedBudget();
    const path = pathOf(100 * MBIT, 20, budget);
    for (const end of [path.client, path.server]) end.rtt = rtt;
    const [here, there] = path.connect();
    path.run(3000, () => {
      here.writeNow(FULL);
      drain(there);
    });
    const product = 100 * MBIT * 20;
    assert(budget.most < 2 * 8 * product, `${budget.most} bytes`);
  });
}

Deno.test("a round trip is from a grant to bytes that needed it, once for a grant", () => {
  const window = new ReceiveWindow(1000, 1000, new SharedBudget(0), 0);
  const receive = (bytes: number, now: number, since = 0) => {
    assert(window.receive(bytes));
    window.consume(bytes);
    return window.takeRoundTrip(now, since);
  };
  assert.equal(receive(600, 5), NaN);
  assert.equal(window.grant(10, NaN), 1600);
  assert.equal(receive(400, 20), NaN, "it was allowed before");
  assert.equal(window.grant(25, NaN), 2000);
  assert.equal(receive(1, 30), 20, "of the first grant");
  assert.equal(receive(999, 40), NaN, "not measured");
  window.grant(50, NaN);
  assert.equal(receive(1, 55, 51), NaN, "another carrier");
});

Deno.test("the window of a slow reader does not grow, and it holds no more than that", () => {
  const budget = new CountedBudget();
  const path = pathOf(100 * MBIT, 20, budget);
  const [here, there] = path.connect();
  let got = 0;
  path.run(5000, () => {
    here.writeNow(FULL);
    got += drain(there, 100); // 100 KB a second
    assert(there.window.held <= FIRST.stream);
  });
  assert(got > 490_000 && got <= 500_000);
  assert(there.window.granted - got <= FIRST.stream);
  assert.equal(budget.most, 0);
});

Deno.test("readers that never read hold their own windows alone, and the others go on", () => {
  const path = pathOf(100 * MBIT, 20);
  const stalled = Array.from({ length: 64 }, () => path.connect());
  const [here, there] = path.connect();
  let got = 0;
  const each = () => {
    for (const [writer] of stalled) writer.writeNow(FULL);
    here.writeNow(FULL);
    got += drain(there);
  };
  path.run(2000, each);
  got = 0;
  path.run(1000, each);
  assert(got > 0.8 * 100 * MBIT * 1000, `${got} bytes`);
  for (const [, reader] of stalled) assert.equal(reader.window.held, FIRST.stream);
});

Deno.test("where memory is short windows shrink to the first, and grow again when it is not", () => {
  const budget = new CountedBudget();
  const path = pathOf(100 * MBIT, 20, budget);
  const [here, there] = path.connect();
  const each = () => {
    here.writeNow(FULL);
    drain(there);
  };
  path.run(1000, each);
  const grown = budget.taken;
  assert(grown > 0);
  budget.isShort = true;
  path.run(3000, each);
  assert.equal(budget.taken, 0);
  budget.isShort = false;
  path.run(1000, each);
  assert(budget.taken >= grown / 2, `${budget.taken} after ${grown}`);
});

Deno.test("no more than the budget is taken, however many streams are fast", () => {
  const budget = new CountedBudget(600 * KIB);
  const path = pathOf(1000 * MBIT, 40, budget);
  const pairs = Array.from({ length: 10 }, () => path.connect());
  path.run(1500, () => {
    for (const [writer, reader] of pairs) {
      writer.writeNow(FULL);
      drain(reader);
    }
  });
  assert(budget.most > 300 * KIB && budget.most <= 600 * KIB, `${budget.most}`);
});

Deno.test("all memory is given back when streams finish, and when the session ends", () => {
  for (const how of ["finish", "reset", "end"] as const) {
    const budget = new CountedBudget();
    const path = pathOf(100 * MBIT, 20, budget);
    const pairs = Array.from({ length: 4 }, () => path.connect());
    const each = () => {
      for (const [writer, reader] of pairs) {
        if (how !== "end" && writer.stats().peerClosed) continue;
        writer.writeNow(FULL);
        drain(reader);
      }
    };
    path.run(1000, each);
    const taken = budget.taken;
    assert(taken > 0);
    if (how !== "end") {
      for (const [writer, reader] of pairs) {
        if (how === "reset") writer.reset();
        else for (const stream of [writer, reader]) void stream.closeWrite();
      }
      path.run(500, () => pairs.forEach(([, reader]) => how === "finish" && drain(reader)));
      assert.equal(path.server.mux.streams, 0);
      assert(budget.taken < taken, "the streams' own");
    }
    const error = new Error("over") as never;
    path.client.mux.end(error);
    path.server.mux.end(error);
    assert.equal(budget.taken, 0, how);
  }
});

Deno.test("a limit never goes down, and what it lets come is what the window is", () => {
  const steps = fc.array(fc.record({
    receive: fc.nat(200),
    read: fc.nat(200),
    wait: fc.nat(40),
    isResumed: fc.nat(9).map((n) => n === 0),
  }));
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 3000 }), (all, most) => {
    const budget = new SharedBudget(most, new SharedBudget(2000));
    const window = new ReceiveWindow(100, 1500, budget, 0);
    let [now, received, read, granted] = [0, 0, 0, 100];
    for (const step of all) {
      const size = Math.min(step.receive, granted - received);
      assert(window.receive(size));
      received += size;
      const consumed = Math.min(step.read, received - read);
      read += consumed;
      now += step.wait;
      if (window.consume(consumed) || step.isResumed) {
        const limit = window.grant(now, 10);
        assert(limit >= granted && limit <= read + Math.max(1500, granted - read));
        granted = limit;
      }
      assert.equal(window.held, received - read);
      assert.equal(window.granted, granted);
    }
    window.close();
    assert(budget.take(most <= 2000 ? most : 2000), "all was given back");
  }));
});

Deno.test("a window doubles with each fast use up to the most, and gives all of it back once", () => {
  const budget = new CountedBudget();
  const window = new ReceiveWindow(100, 350, budget, 0);
  const windows: number[] = [];
  for (let read = 0, now = 1; now <= 4; now++) {
    const bytes = window.granted - read;
    assert(window.receive(bytes) && window.consume(bytes));
    read += bytes;
    windows.push(window.grant(now, 1) - read);
  }
  assert.deepEqual(windows, [200, 350, 350, 350]);
  assert.equal(budget.taken, 250);
  window.close();
  window.close();
  assert.equal(budget.taken, 0);
});

Deno.test("a budget is a part of the one above it, and is short above a half of either", () => {
  const all = new SharedBudget(100);
  const [one, two, three] = [0, 1, 2].map(() => new SharedBudget(80, all)) as Budgets;
  assert.equal(one.take(81), false);
  assert.equal(one.take(41), true);
  assert.deepEqual([one.isShort, two.isShort, all.isShort], [true, false, false]);
  assert.equal(two.take(60), false, "not in all");
  assert.equal(two.take(59), true);
  assert.deepEqual([two.isShort, all.isShort, three.isShort], [true, true, true]);
  one.give(41);
  two.give(59);
  assert.deepEqual([one.isShort, two.isShort, all.isShort], [false, false, false]);
  assert.equal(all.take(100), true);
});
