import { deepEqual, equal } from "node:assert/strict";
import { median, medianInterval } from "./statistics.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

// Ranks as printed tables of the sign test's interval have them, for 95 %.
for (const [count, from, to] of [[6, 1, 6], [8, 1, 8], [9, 2, 8], [12, 3, 10], [20, 6, 15]]) {
  Deno.test(`the interval of the median of ${count} values is from the ${from}. to the ${to}.`, () => {
    deepEqual(medianInterval(upTo(count!).toReversed()), [from, to]);
  });
}

Deno.test("five values say nothing of where the median is with 95 %", () => {
  deepEqual(medianInterval(upTo(5)), [-Infinity, Infinity]);
  equal(median(upTo(5)), 3);
});
