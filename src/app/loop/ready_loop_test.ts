import { deepEqual, equal, rejects } from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { DONE, runLoop, WOULD_BLOCK } from "./ready_loop.ts";

/** Steps as they are listed; more than these fail. Says how often it waited to be called back. */
async function walk(
  steps: MaybePromise<number>[],
  budget = 100,
): Promise<{ waits: number; left: number }> {
  const left = [...steps];
  let waits = 0;
  const onReady = (run: () => void) => {
    waits++;
    queueMicrotask(run);
  };
  await runLoop<void>({ clock: new FakeClock(), budget, onReady }, () => {
    const next = left.shift();
    if (next === undefined) throw new Error("one step too many");
    return next;
  });
  return { waits, left: left.length };
}

Deno.test("what a step says by a promise means the same as what it says at once", async () => {
  const later = (count: number) => Promise.resolve(count);
  deepEqual(await walk([1, WOULD_BLOCK, 2, DONE, 3]), { waits: 1, left: 1 });
  deepEqual(await walk([later(1), later(WOULD_BLOCK), later(2), later(DONE), 3]), {
    waits: 1,
    left: 1,
  });
});

Deno.test("what a step throws, or what waiting throws, is thrown", async () => {
  await rejects(walk([1]), /one step too many/);
  await rejects(walk([Promise.resolve(1), Promise.reject(new Error("broken"))]), /broken/);
  const onReady = () => {
    throw new Error("closed");
  };
  for (const step of [WOULD_BLOCK, Promise.resolve(WOULD_BLOCK)]) {
    const o = { clock: new FakeClock(), budget: 1, onReady };
    await rejects(runLoop<void>(o, () => step), /closed/);
  }
  equal((await walk([DONE])).left, 0);
});
