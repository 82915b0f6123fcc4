import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { Timers } from "./timers.ts";

/** Timers on a clock that stands still until it is moved. */
function onClock(): { timers: Timers; clock: { now: number } } {
  const clock = { now: 1000 };
  return { timers: new Timers(() => clock.now), clock };
}

Deno.test("timers: without any there is nothing to wait for", () => {
  const { timers, clock } = onClock();
  equal(timers.untilNext(clock.now), -1);
  timers.fire(clock.now);
});

Deno.test("timers: the wait is whole milliseconds, never too short, zero when one is due", () => {
  const { timers, clock } = onClock();
  timers.after(2.25, () => {});
  equal(timers.untilNext(clock.now), 3);
  clock.now += 2;
  equal(timers.untilNext(clock.now), 1);
  clock.now += 10;
  equal(timers.untilNext(clock.now), 0);
});

Deno.test("timers: the wait for a far one fits a C int", () => {
  const { timers, clock } = onClock();
  timers.after(Infinity, () => {});
  equal(timers.untilNext(clock.now), 2 ** 31 - 1);
  timers.after(2 ** 40, () => {});
  equal(timers.untilNext(clock.now), 2 ** 31 - 1);
});

Deno.test("timers: what is due fires once, what is not does not", () => {
  const { timers, clock } = onClock();
  const fired: string[] = [];
  timers.after(5, () => fired.push("five"));
  timers.after(10, () => fired.push("ten"));
  clock.now += 4.9;
  timers.fire(clock.now);
  deepEqual(fired, []);
  clock.now += 0.1;
  timers.fire(clock.now);
  timers.fire(clock.now);
  deepEqual(fired, ["five"]);
  equal(timers.untilNext(clock.now), 5);
});

Deno.test("timers: one may cancel another that is due as well, itself, and what has fired", () => {
  const { timers, clock } = onClock();
  const fired: string[] = [];
  const own: Disposable = timers.after(1, () => {
    fired.push("first");
    second[Symbol.dispose]();
    own[Symbol.dispose]();
  });
  const second = timers.after(2, () => fired.push("second"));
  timers.after(3, () => fired.push("third"));
  clock.now += 5;
  timers.fire(clock.now);
  deepEqual(fired, ["first", "third"]);
  own[Symbol.dispose]();
  equal(timers.untilNext(clock.now), -1);
});

Deno.test("timers: one set by another while firing fires too, in its own time", () => {
  const { timers, clock } = onClock();
  const fired: number[] = [];
  timers.after(1, () => timers.after(7, () => fired.push(clock.now)));
  clock.now += 2;
  timers.fire(clock.now);
  deepEqual(fired, []);
  equal(timers.untilNext(clock.now), 7);
  clock.now += 7;
  timers.fire(clock.now);
  deepEqual(fired, [1009]);
});

Deno.test("timers: one that sets itself anew at once leaves the loop its turn", () => {
  const { timers, clock } = onClock();
  let fired = 0;
  const again = () => {
    if (++fired < 1000) timers.after(0, again);
  };
  timers.after(0, again);
  timers.fire(clock.now);
  equal(fired, 1);
  equal(timers.untilNext(clock.now), 0);
  timers.fire(clock.now);
  equal(fired, 2);
});

type Step = { set: number } | { cancel: number } | { pass: number };

Deno.test("timers: any order of setting, cancelling and firing is as with a sorted list", () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ set: fc.nat(500) }) },
    { weight: 3, arbitrary: fc.record({ cancel: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ pass: fc.nat(200) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 600 }), (steps) => {
      const { timers, clock } = onClock();
      let model: { due: number; id: number }[] = [];
      const set: Disposable[] = [];
      let fired: number[] = [];
      for (const step of steps) {
        if ("set" in step) {
          const id = set.length;
          set.push(timers.after(step.set, () => fired.push(id)));
          model.push({ due: clock.now + step.set, id });
        } else if ("cancel" in step) {
          const id = step.cancel % Math.max(1, set.length);
          set[id]?.[Symbol.dispose]();
          model = model.filter((timer) => timer.id !== id);
        } else {
          clock.now += step.pass;
          fired = [];
          timers.fire(clock.now);
          const due = model.filter((timer) => timer.due <= clock.now);
          model = model.filter((timer) => timer.due > clock.now);
          // Of those that are due at the same time, the order of setting is the order of firing.
          due.sort((a, b) => a.due - b.due || a.id - b.id);
          deepEqual(fired, due.map(({ id }) => id));
        }
        const next = Math.min(...model.map(({ due }) => due));
        const wanted = next === Infinity ? -1 : Math.max(0, next - clock.now);
        equal(timers.untilNext(clock.now), wanted);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("timers: deadlines that were met by the thousand leave the others as they were", () => {
  const { timers, clock } = onClock();
  const fired: number[] = [];
  for (let i = 0; i < 50_000; i++) {
    timers.after(30_000, () => fired.push(-1))[Symbol.dispose]();
    if (i % 1000 === 0) timers.after(60_000 - i, () => fired.push(60_000 - i));
  }
  equal(timers.untilNext(clock.now), 60_000 - 49_000);
  clock.now += 100_000;
  timers.fire(clock.now);
  deepEqual(fired, Array.from({ length: 50 }, (_, i) => 11_000 + 1000 * i));
  equal(timers.untilNext(clock.now), -1);
});
