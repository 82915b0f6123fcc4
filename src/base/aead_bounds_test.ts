import assert from "node:assert/strict";
import { checkSize, checkSpans } from "./aead_bounds.ts";

const TAG = 4;

/** Counts byte by byte that text and tag lie in the buffer, and apart. */
function isSound(size: number, start: number, end: number, tagAt: number): boolean {
  const uses = new Array<number>(size).fill(0);
  if (start < 0 || tagAt < 0 || end < start || end > size || tagAt + TAG > size) return false;
  for (let i = start; i < end; i++) uses[i]!++;
  for (let i = tagAt; i < tagAt + TAG; i++) uses[i]!++;
  return uses.every((n) => n < 2);
}

Deno.test("checkSpans() lets through just what lies in the buffer and does not overlap", () => {
  let sound = 0;
  const places = Array.from({ length: 14 }, (_, i) => i - 2);
  for (let size = 0; size <= 10; size++) {
    for (const start of places) {
      for (const end of places.filter((place) => place !== start)) {
        for (const tagAt of places) {
          const check = () => checkSpans(size, start, end, tagAt, TAG);
          if (isSound(size, start, end, tagAt)) {
            check();
            sound++;
          } else assert.throws(check, { kind: "internal" });
        }
      }
    }
  }
  assert.ok(sound > 100);
});

Deno.test("checkSpans() takes no fractions and no NaN", () => {
  for (const wrong of [0.5, NaN, Infinity]) {
    assert.throws(() => checkSpans(100, wrong, 50, 60, TAG), { kind: "internal" });
    assert.throws(() => checkSpans(100, 10, wrong, 60, TAG), { kind: "internal" });
    assert.throws(() => checkSpans(100, 10, 20, wrong, TAG), { kind: "internal" });
  }
});

Deno.test("checkSize() names what has the wrong size", () => {
  checkSize("key", 32, 32);
  assert.throws(() => checkSize("key", 31, 32), /Cannot use key of 31 bytes: it has 32/);
});
