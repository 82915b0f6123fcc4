import { deepEqual, equal, ok } from "node:assert/strict";
import { ChangeLog } from "./change_log.ts";

function row(key: string, rev: number, size = 1) {
  const value = new Uint8Array(size);
  return { rev, key, row: { key, value, rev, created: rev, session: "", ttlMs: 0 } };
}

Deno.test("change log: of 100 000 changes the oldest are forgotten, and a watch from there is told", () => {
  const log = new ChangeLog({ floor: 0, changes: [] });
  for (let rev = 1; rev <= 250_000; rev++) log.add(row("name/a", rev));
  equal(log.since(149_999, "", 10, 1e9), null);
  deepEqual(log.since(150_000, "", 2, 1e9)?.changes.map(({ rev }) => rev), [150_001, 150_002]);
  deepEqual(log.since(249_999, "", 10, 1e9)?.upTo, 250_000);
  deepEqual(log.since(250_000, "", 10, 1e9), { changes: [], upTo: 250_000 });
  deepEqual(log.since(150_000, "lease/", 10, 1e9), { changes: [], upTo: 250_000 });
});

Deno.test("change log: large values are forgotten sooner", () => {
  const log = new ChangeLog({ floor: 0, changes: [] });
  for (let rev = 1; rev <= 1_100; rev++) log.add(row("name/a", rev, 1 << 16));
  equal(log.since(0, "", 10, 1e9), null);
  ok(log.since(100, "", 10, 1e9) !== null);
});

Deno.test("change log: the changes of one command come together, whatever the limit", () => {
  const log = new ChangeLog({ floor: 5, changes: [] });
  for (const [key, rev] of [["a", 6], ["b", 7], ["c", 7], ["d", 7], ["e", 8]] as const) {
    log.add(row(key, rev, 100));
  }
  const keys = (limit: number, bytes: number) =>
    log.since(5, "", limit, bytes)?.changes.map(({ key }) => key).join("");
  equal(keys(1, 1e9), "a");
  equal(keys(2, 1e9), "abcd");
  equal(keys(9, 250), "abcd");
  equal(log.since(4, "", 1, 1e9), null);
});

Deno.test("change log: changes that come later go before those that came meanwhile", () => {
  const log = new ChangeLog({ floor: 2, changes: [] }, 4);
  for (let rev = 5; rev <= 100_005; rev++) log.add(row("name/a", rev));
  equal(log.since(3, "", 10, 1e9), null);
  deepEqual([log.lacks(3), log.lacks(4)], [true, false]);
  equal(log.since(4, "", 1, 1e9)?.changes[0]?.rev, 5);
  deepEqual(log.toForget(), []);
  equal(log.floor, 2);
  log.complete({ floor: 2, changes: [2, 3, 4].map((rev) => row("name/a", rev)) });
  deepEqual([log.lacks(3), log.floor], [false, 5]);
  deepEqual(log.toForget().map(({ rev }) => rev), [2, 3, 4, 5]);
  equal(log.since(4, "", 1, 1e9), null);
  equal(log.since(5, "", 1, 1e9)?.changes[0]?.rev, 6);
});

Deno.test("change log: after a restart it has what the disk has, and takes from there what it forgets", () => {
  const changes = Array.from({ length: 100_003 }, (_, i) => row("name/a", i + 1));
  const log = new ChangeLog({ floor: 2, changes });
  equal(log.floor, 3);
  deepEqual(log.toForget().map(({ rev }) => rev), [1, 2, 3]);
  equal(log.since(2, "", 10, 1e9), null);
  deepEqual(log.all(), changes.slice(3));
  log.add(row("name/a", 100_004));
  log.forgotten(3);
  deepEqual(log.toForget(), [{ rev: 4, key: "name/a" }]);
});
