import assert from "node:assert/strict";
import { CandidateSchedule, TRIES, TRY_MS } from "./candidate_schedule.ts";

const make = (count: number, startAt = 0) =>
  new CandidateSchedule({ count, startAt, chance: () => 0.5 });

const words = (schedule: CandidateSchedule, now: number) =>
  schedule.tick(now).map((step) => step.kind === "connect" ? `connect ${step.index}` : step.kind);

Deno.test("all candidates are tried at the same moments, a fixed time apart", () => {
  const schedule = make(2, 500);
  assert.equal(schedule.dueAt, 500);
  assert.deepEqual(words(schedule, 499), []);
  for (let i = 0; i < TRIES; i++) {
    assert.equal(schedule.dueAt, 500 + i * TRY_MS);
    assert.deepEqual(words(schedule, schedule.dueAt), ["connect 0", "connect 1"]);
  }
  assert.deepEqual(words(schedule, schedule.dueAt), ["over"]);
  assert.equal(schedule.dueAt, Infinity);
  assert.deepEqual(schedule.facts, { refused: 0, unanswered: 2 * TRIES, unsent: 0 });
});

Deno.test("a refused connect is made anew a few times in a try; one that cannot be sent is not", () => {
  const schedule = make(2);
  words(schedule, 0);
  schedule.failed(1, "unsent", 0);
  let now = 0;
  for (let i = 0; i < 5; i++) {
    schedule.failed(0, "refused", now);
    now = schedule.dueAt;
    assert.deepEqual(words(schedule, now), ["connect 0"]);
  }
  schedule.failed(0, "refused", now);
  assert(now < 700, `${now} ms`);
  assert.equal(schedule.dueAt, TRY_MS);
  assert.deepEqual(words(schedule, TRY_MS), ["connect 0", "connect 1"]);
});

Deno.test("a candidate that has a connection is not tried again, and others are", () => {
  const schedule = make(2);
  words(schedule, 0);
  schedule.connected(0);
  assert.deepEqual(words(schedule, TRY_MS), ["connect 1"]);
});

Deno.test("without a candidate it waits as long, as the peer may connect", () => {
  const schedule = make(0);
  for (let i = 0; i < TRIES; i++) assert.deepEqual(words(schedule, i * TRY_MS), []);
  assert.deepEqual(words(schedule, TRIES * TRY_MS), ["over"]);
});
