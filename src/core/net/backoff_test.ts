import assert from "node:assert/strict";
import { Backoff } from "./backoff.ts";

function pauses(backoff: Backoff, count: number, chance = 0): number[] {
  return Array.from({ length: count }, () => backoff.pause(chance));
}

Deno.test("pauses double from 1 s and stay at 30 s", () => {
  assert.deepEqual(pauses(new Backoff(), 8), [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    30_000,
    30_000,
    30_000,
  ]);
});

Deno.test("chance takes up to a quarter from a pause, and nothing from the ones after", () => {
  const backoff = new Backoff();
  assert.equal(backoff.pause(0.5), 875);
  const least = backoff.pause(1 - Number.EPSILON);
  assert.ok(least >= 1_500 && least < 1_501);
  assert.equal(backoff.pause(0), 4_000);
});

Deno.test("a session longer than 60 s begins the pauses anew, a shorter one does not", () => {
  const backoff = new Backoff();
  pauses(backoff, 3);
  backoff.sessionEnded(60_000);
  assert.equal(backoff.pause(0), 8_000);
  backoff.sessionEnded(60_001);
  assert.deepEqual(pauses(backoff, 2), [1_000, 2_000]);
});
