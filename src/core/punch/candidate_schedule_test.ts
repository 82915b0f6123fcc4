import assert from "node:assert/strict";
import { seededRng } from "../../../tests/fake/rng.ts";
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
  assert.deepEqual(schedule.facts, { tries: TRIES, refused: 0, unanswered: 2 * TRIES, unsent: 0 });
});

Deno.test("a refused connect is made anew a few times in a try; one that cannot be sent is not", () => {
  const schedule = make(2);
  words(schedule, 0);
  schedule.failed(1, "unsent", 0);
  let now = 0;
  for (let i = 1; i <= 15; i++) {
    schedule.failed(0, "refused", now + 5);
    now = schedule.dueAt;
    assert.equal(now, 40 * i + 1.5);
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

/**
 * Runs both ends through NATs that answer a SYN with RST unless one of their own side is under way;
 * `ms` is the time from one end to the other, `apart` that by which their moments differ. Returns
 * how many milliseconds it took; null = they did not meet.
 */
function meet(ms: number, apart: number, rng: () => number): number | null {
  const schedules = [0, apart].map((startAt) =>
    new CandidateSchedule({ count: 1, startAt, chance: rng })
  );
  /** Times of each end's last SYN, and of its RST. */
  const sent = [-Infinity, -Infinity];
  const refusedAt = [Infinity, Infinity];
  for (;;) {
    const due = schedules.map(({ dueAt }, i) => Math.min(dueAt, refusedAt[i]!));
    const now = Math.min(...due);
    if (now === Infinity) return null;
    const end = due[0] === now ? 0 : 1;
    if (refusedAt[end] === now) {
      refusedAt[end] = Infinity;
      schedules[end]!.failed(0, "refused", now);
      continue;
    }
    if (!words(schedules[end]!, now).includes("connect 0")) continue;
    sent[end] = now;
    refusedAt[end] = now + 2 * ms;
    if (now - sent[1 - end]! < ms) return now; // the other's SYN is still on its way here
  }
}

Deno.test("NATs that answer with RST let both through when two SYNs cross, whatever little the ends differ", () => {
  const bytes = seededRng(7);
  const rng = () => bytes(1)[0]! / 256;
  for (
    const { ms, apart, share } of [
      { ms: 0.1, apart: 1.5, share: 0.6 }, // in one room
      { ms: 1, apart: 2.5, share: 0.99 },
      { ms: 5, apart: 3, share: 1 },
      { ms: 40, apart: 30, share: 1 },
      { ms: 150, apart: 40, share: 1 },
    ]
  ) {
    const took = Array.from({ length: 200 }, () => meet(ms, apart, rng));
    const met = took.filter((one) => one !== null).length;
    assert(met >= share * took.length, `${met} of ${took.length} at ${ms} ms`);
  }
});
