import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { readiness, Watchdog, watchdogMs } from "./watchdog.ts";

/** Collects what a manager is told, and waits for a count of it. */
class Told {
  readonly all: string[] = [];
  readonly tell = (state: string) => void this.all.push(state);

  async waitFor(count: number): Promise<void> {
    while (this.all.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a watchdog tells again and again, and only while the part that it asks answers", async () => {
  const told = new Told();
  using watchdog = new Watchdog(10, told.tell);
  await told.waitFor(2);
  const silent = Promise.withResolvers<void>();
  let asked = 0;
  {
    using _part = watchdog.ask(() => {
      asked++;
      return silent.promise;
    });
    const before = told.all.length;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(told.all.length, before);
    assert.equal(asked, 1, "one question at a time");
    silent.resolve();
    await told.waitFor(before + 2);
  }
  await told.waitFor(told.all.length + 2);
  assert(told.all.every((state) => state === "WATCHDOG=1"));
});

test("a part that never answers keeps no later one silent", async () => {
  const told = new Told();
  using watchdog = new Watchdog(10, told.tell);
  {
    using _dead = watchdog.ask(() => new Promise(() => {}));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  using _next = watchdog.ask(() => Promise.resolve());
  await told.waitFor(told.all.length + 2);
});

test("the time is the manager's, for the process that it means", () => {
  assert.equal(watchdogMs({ usec: "30000000", forPid: undefined }, 7), 30_000);
  assert.equal(watchdogMs({ usec: "30000000", forPid: "7" }, 7), 30_000);
  assert.equal(watchdogMs({ usec: "30000000", forPid: "8" }, 7), null);
  assert.equal(watchdogMs({ usec: "1", forPid: "" }, 7), 2);
  for (const usec of [undefined, "", "0", "-5", "soon"]) {
    assert.equal(watchdogMs({ usec, forPid: undefined }, 7), null);
  }
});

test("a program is ready when it says so, or when its time is over", async () => {
  const late = new Told();
  using waiting = readiness(5, late.tell);
  await late.waitFor(1);
  assert.match(late.all[0]!, /^READY=1\nSTATUS=Still/);
  waiting.ready();
  assert.equal(late.all[1], "READY=1\nSTATUS=");
  const soon = new Told();
  using prompt = readiness(20, soon.tell);
  prompt.ready();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(soon.all, ["READY=1\nSTATUS="]);
});
