import assert from "node:assert/strict";
import { chanceOf, isPaused, pauseAfter, usualRenewal, windowRenewal } from "./schedule.ts";

const DAY = 86_400_000;

Deno.test("ACME: pauses grow, with some chance, and an authority's wish counts up to a day", () => {
  assert.deepEqual([1, 2, 3, 7, 100].map((count) => pauseAfter(count, 0) / 1000), [
    ...[5, 60, 300],
    ...[43_200, 43_200],
  ]);
  assert.equal(pauseAfter(1, 1), 6_250);
  assert.equal(pauseAfter(1, 0, 3600_000), 3600_000);
  assert.equal(pauseAfter(1, 0, 365 * DAY), DAY);
  assert(isPaused({ until: 1000 }, 999));
  assert(!isPaused({ until: 1000 }, 1000));
  assert(!isPaused({ until: 365 * DAY }, 0), "a clock was a year ahead when it was written");
});

Deno.test("ACME: certificates are renewed with a third of their time left, or when the authority says", () => {
  const times = { notBefore: 0, notAfter: 90 * DAY, issuedAt: 0 };
  const late = { ...times, issuedAt: 80 * DAY };
  assert.equal(usualRenewal(late, 0), 81 * DAY, "the clock is ahead");
  assert.equal(windowRenewal({ start: 0, end: DAY }, late, 0), 81 * DAY);
  assert.equal(usualRenewal(times, 0), 60 * DAY);
  assert.equal(usualRenewal(times, 1), 57 * DAY);
  assert.equal(windowRenewal({ start: 10 * DAY, end: 20 * DAY }, times, 0.5), 15 * DAY);
  assert.equal(windowRenewal({ start: -5 * DAY, end: -4 * DAY }, times, 0), DAY, "soon");
  assert.equal(windowRenewal({ start: 500 * DAY, end: 600 * DAY }, times, 0), 85.5 * DAY);
  const chances = ["a.test", "b.test", "c.test"].map(chanceOf);
  assert.equal(new Set(chances).size, 3);
  assert(chances.every((chance) => chance >= 0 && chance < 1));
});
