import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { TtunError } from "../../base/errors.ts";
import { type Answer, type MinuteAttempt, raceMinutes, staggerOf } from "./minute_race.ts";

/** An attempt as a test drives it. */
interface Driven {
  readonly attempt: MinuteAttempt;
  readonly at: number;
  end(value: string): void;
  fail(error: unknown): void;
}

class Course {
  readonly clock = new FakeClock();
  readonly own = new AbortController();
  readonly tried: Driven[] = [];
  readonly answers: Answer[] = [];
  readonly discarded: string[] = [];
  isSpent = false;
  readonly result: Promise<unknown>;

  constructor(minutes = [10, 9, 11], staggerMs = 300) {
    this.result = raceMinutes<string>({
      minutes,
      clock: this.clock,
      signal: this.own.signal,
      staggerMs,
      isSpent: () => this.isSpent,
      run: (attempt) =>
        new Promise((end, fail) => {
          this.tried.push({ attempt, at: this.clock.now(), end, fail });
          attempt.signal.addEventListener("abort", () => fail(attempt.signal.reason));
        }),
      onAnswer: (answer) => void this.answers.push(answer),
      discard: (value) => void this.discarded.push(value),
    }).catch((error: unknown) => error);
  }

  /** Each minute that was tried, as `minute@milliseconds`. */
  get starts(): string[] {
    return this.tried.map(({ attempt, at }) => `${attempt.minute}@${at}`);
  }

  get givenUp(): number[] {
    return this.tried.flatMap(({ attempt: { signal, minute } }) => signal.aborted ? minute : []);
  }
}

const refused = new TtunError("unreachable", "refused");
const late = new TtunError("timeout", "no answer");

Deno.test("a minute that answers is the only one tried, and no timer is left", async () => {
  const course = new Course();
  await course.clock.advance(250);
  const [first] = course.tried;
  assert.equal(first!.attempt.isAlone, true);
  first!.attempt.connected(false);
  assert.equal(first!.attempt.answered(), true);
  assert.equal(course.clock.pending, 0);
  await course.clock.advance(10_000);
  first!.end("ten");
  assert.equal(await course.result, "ten");
  assert.deepEqual(course.starts, ["10@0"]);
  assert.equal(course.answers[0]!.minute, 10);
});

Deno.test("silence starts the next minute beside it, a refusal at once, and none twice", async () => {
  const course = new Course();
  await course.clock.advance(300);
  assert.deepEqual(course.starts, ["10@0", "9@300"]);
  assert.equal(course.tried[0]!.attempt.isAlone, false);
  course.tried[1]!.fail(refused);
  await course.clock.advance(5000);
  assert.deepEqual(course.starts, ["10@0", "9@300", "11@300"]);
  course.tried[2]!.attempt.connected(false);
  assert.equal(course.tried[2]!.attempt.answered(), true);
  assert.equal(course.tried[0]!.attempt.answered(), false);
  assert.deepEqual(course.givenUp, [10]);
  const [{ minute, isDenied }] = course.answers as [Answer];
  assert.deepEqual([minute, isDenied(10), isDenied(9), isDenied(12)], [11, false, true, false]);
  course.tried[2]!.end("eleven");
  assert.equal(await course.result, "eleven");
  assert.equal(course.clock.pending, 0);
});

Deno.test("a slow path is given the time of some round trips before the next minute", async () => {
  const course = new Course();
  await course.clock.advance(250);
  course.tried[0]!.attempt.connected(false);
  await course.clock.advance(749);
  assert.deepEqual(course.starts, ["10@0"]);
  await course.clock.advance(1);
  assert.deepEqual(course.starts, ["10@0", "9@1000"]);
  assert.deepEqual([0, 200, 900, 9000].map(staggerOf), [300, 400, 1800, 2000]);
  course.own.abort(new Error("stop"));
  await course.result;
});

Deno.test("where the request has gone already the others wait for longer", async () => {
  const course = new Course();
  course.tried[0]!.attempt.connected(true);
  await course.clock.advance(999);
  assert.deepEqual(course.starts, ["10@0"]);
  await course.clock.advance(1);
  assert.deepEqual(course.starts, ["10@0", "9@1000"]);
  course.own.abort(new Error("stop"));
  await course.result;
});

Deno.test("what must not be repeated is not: no other minute is tried then", async () => {
  const course = new Course();
  course.isSpent = true;
  await course.clock.advance(5000);
  assert.deepEqual(course.starts, ["10@0"]);
  course.tried[0]!.fail(late);
  assert.equal(await course.result, late);
});

Deno.test("of many failures a word says more than silence, and a name is the same for all", async () => {
  const silent = new Course();
  await silent.clock.advance(600);
  for (const [i, error] of [late, refused, late].entries()) silent.tried[i]!.fail(error);
  assert.equal(await silent.result, refused);
  const nameless = new Course();
  const name = new TtunError("name", "does not resolve");
  nameless.tried[0]!.fail(name);
  assert.equal(await nameless.result, name);
  assert.deepEqual(nameless.starts, ["10@0"]);
  assert.deepEqual([silent.clock.pending, nameless.clock.pending], [0, 0]);
});

Deno.test("a winner's failure is the result, and an end from outside ends the winner too", async () => {
  const failing = new Course();
  failing.tried[0]!.attempt.answered();
  failing.tried[0]!.fail(late);
  assert.equal(await failing.result, late);
  assert.deepEqual(failing.starts, ["10@0"]);
  const stopped = new Course();
  const stop = new Error("stop");
  stopped.tried[0]!.attempt.answered();
  stopped.own.abort(stop);
  assert.equal(await stopped.result, stop);
  assert.deepEqual(stopped.givenUp, [10]);
});

Deno.test("a value that comes after the end is discarded", async () => {
  const clock = new FakeClock();
  const own = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const discarded: string[] = [];
  const result = raceMinutes<string>({
    minutes: [1],
    clock,
    signal: own.signal,
    staggerMs: 300,
    run: () => promise,
    onAnswer: () => {},
    discard: (value) => void discarded.push(value),
  }).catch((error: unknown) => error);
  own.abort("over");
  resolve("too late");
  assert.equal(await result, "over");
  await clock.settle();
  assert.deepEqual(discarded, ["too late"]);
});
