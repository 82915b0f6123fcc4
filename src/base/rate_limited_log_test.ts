import assert from "node:assert/strict";
import { FakeClock } from "../../tests/fake/clock.ts";
import { keptLog } from "../../tests/fake/log.ts";
import { makeLogger } from "./log.ts";
import { RateLimitedLog } from "./rate_limited_log.ts";

function world() {
  const lines: string[] = [];
  let now = 0;
  const log = makeLogger(
    ({ level, message, fields }) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
    () => now,
  );
  const quiet = new RateLimitedLog(log, () => now);
  return { lines, quiet, at: (ms: number) => now = ms };
}

Deno.test("ten lines in ten seconds are said, the others only counted in the next window", () => {
  const { lines, quiet, at } = world();
  for (let i = 0; i < 25; i++) {
    at(i);
    quiet.warn("x", { i });
  }
  assert.equal(lines.length, 10);
  assert.equal(lines.at(-1), 'warn x {"i":9}');
  at(10_000);
  quiet.warn("x", { i: 25 });
  assert.equal(lines.length, 10); // the window is not over yet
  at(10_001);
  quiet.warn("x", { i: 26 });
  assert.deepEqual(lines.slice(10), ['warn x: more of them {"count":16}', 'warn x {"i":26}']);
});

Deno.test("a count is told once, and none where nothing was kept back", () => {
  const { lines, quiet, at } = world();
  for (const ms of [0, 10_001, 20_002, 30_003]) {
    at(ms);
    quiet.warn("x", {});
  }
  assert.deepEqual(lines, Array(4).fill("warn x {}"));
});

Deno.test("what is no warning is told as information, the count as well", () => {
  const { lines, quiet, at } = world();
  for (let i = 0; i < 12; i++) quiet.info("x", {});
  at(10_001);
  quiet.info("x", {});
  assert.deepEqual(lines.slice(10), ['info x: more of them {"count":2}', "info x {}"]);
});

Deno.test("one kind of line hides no other, neither its lines nor its count", () => {
  const { lines, quiet, at } = world();
  for (let i = 0; i < 1000; i++) quiet.warn("flood", {});
  quiet.warn("rare", { i: 1 });
  quiet.info("flood", { i: 2 }); // the same words of another level
  assert.deepEqual(lines.slice(10), ['warn rare {"i":1}', 'info flood {"i":2}']);
  at(10_001);
  quiet.warn("rare", { i: 3 });
  quiet.warn("flood", { i: 4 });
  assert.deepEqual(lines.slice(12), [
    'warn rare {"i":3}',
    'warn flood: more of them {"count":990}',
    'warn flood {"i":4}',
  ]);
});

Deno.test("a peer fills its own part of the log, and hides no other's lines", () => {
  const clock = { now: 0 };
  const { log, records } = keptLog(new FakeClock());
  const quiet = new RateLimitedLog(log, () => clock.now, { lines: 50, ofPeer: 3, window: 60_000 });
  for (clock.now = 0; clock.now < 60_000; clock.now += 10) {
    quiet.info("joined", { peer: "192.0.2.1:1" }, "192.0.2.1");
    quiet.info("left", { peer: "192.0.2.1:1" }, "192.0.2.1");
  }
  quiet.info("joined", { peer: "192.0.2.2:1" }, "192.0.2.2");
  assert.equal(records.length, 7);
  clock.now = 60_001;
  quiet.info("joined", { peer: "192.0.2.1:1" }, "192.0.2.1");
  assert.deepEqual(records.slice(7).map(({ message, fields }) => [message, fields?.["count"]]), [
    ["joined: more of them", 5_997],
    ["joined", undefined],
  ]);
  for (let i = 0; i < 10_000; i++) quiet.info("joined", {}, `address ${i}`);
  assert.ok(records.length < 60, "all of them together have a limit as well");
});
