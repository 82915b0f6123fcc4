import assert from "node:assert/strict";
import { FakeClock } from "./clock.ts";

Deno.test("a fake clock stands still until it is advanced", async () => {
  const clock = new FakeClock();
  let ran = false;
  clock.after(10, () => ran = true);
  await clock.settle();
  assert.deepEqual([clock.now(), ran, clock.pending], [0, false, 1]);
  await clock.advance(9);
  assert.deepEqual([clock.now(), ran], [9, false]);
  await clock.advance(1);
  assert.deepEqual([clock.now(), ran, clock.pending], [10, true, 0]);
});

Deno.test("timers run by due time, those of one moment in the order they were set", async () => {
  const clock = new FakeClock();
  const ran: string[] = [];
  const set = (name: string, ms: number) =>
    clock.after(ms, () => ran.push(`${name} at ${clock.now()}`));
  set("a", 20);
  set("b", 10);
  set("c", 20);
  set("d", 0);
  set("gone", 15)[Symbol.dispose]();
  await clock.advance(30);
  assert.deepEqual(ran, ["d at 0", "b at 10", "a at 20", "c at 20"]);
});

Deno.test("what a timer sets off has its own timers in the same advance", async () => {
  const clock = new FakeClock();
  const ran: number[] = [];
  const sleep = (ms: number) => new Promise<void>((wake) => clock.after(ms, wake));
  (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      await clock.turn();
      ran.push(clock.now());
    }
  })();
  await clock.advance(30);
  assert.deepEqual(ran, [10, 20, 30]);
});

Deno.test("until() stops the clock at the moment the promise settles", async () => {
  const clock = new FakeClock();
  const sleep = (ms: number) => new Promise<string>((wake) => clock.after(ms, () => wake("woken")));
  clock.after(500, () => {});
  assert.equal(await clock.until(sleep(70)), "woken");
  assert.equal(clock.now(), 70);
  assert.equal(clock.pending, 1);
  await assert.rejects(clock.until(new Promise(() => {}), 1000), /Still waiting after 1000 ms/);
});
