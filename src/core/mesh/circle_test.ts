import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { CIRCLE, distance, isBetween, isWithin, readPosition, writePosition } from "./circle.ts";

const positions = fc.bigInt({ min: 0n, max: CIRCLE - 1n });

Deno.test("circle: intervals are half-open, and whole where both ends are the same", () => {
  deepEqual([1n, 2n, 3n, 4n].map((x) => isWithin(1n, x, 3n)), [false, true, true, false]);
  deepEqual([4n, 0n, 1n, 2n].map((x) => isWithin(3n, x, 1n)), [true, true, true, false]);
  deepEqual([0n, 5n, 6n].map((x) => isWithin(5n, x, 5n)), [true, true, true]);
  deepEqual([1n, 2n, 3n].map((x) => isBetween(1n, x, 3n)), [false, true, false]);
  deepEqual([5n, 6n].map((x) => isBetween(5n, x, 5n)), [false, true]);
});

Deno.test("circle: an interval and the one that completes the circle share nothing", () => {
  fc.assert(fc.property(positions, positions, positions, (a, b, x) => {
    if (a !== b) equal(isWithin(a, x, b), !isWithin(b, x, a));
    equal((distance(a, x) + distance(x, a)) % CIRCLE, 0n);
  }));
});

Deno.test("circle: positions are read as they were written", () => {
  fc.assert(fc.property(positions, (x) => {
    const bytes = new Uint8Array(18);
    writePosition(bytes, 1, x);
    equal(readPosition(bytes, 1), x);
  }));
});
