import assert from "node:assert/strict";
import { OpenLimit } from "./open_limit.ts";

function taken(limit: OpenLimit, now: number, tries: number): number {
  let count = 0;
  for (let i = 0; i < tries; i++) if (limit.take(now)) count++;
  return count;
}

Deno.test("a burst of opens is let through, then so many a second, and no more is saved up", () => {
  const limit = new OpenLimit(1000);
  assert.equal(taken(limit, 1000, 25_000), 10_000);
  assert.equal(taken(limit, 1000, 10), 0);
  assert.equal(taken(limit, 1100, 25_000), 1000);
  assert.equal(taken(limit, 100_000, 25_000), 10_000);
});
