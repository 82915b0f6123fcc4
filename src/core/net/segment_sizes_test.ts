import assert from "node:assert/strict";
import { KEEP_MS, SegmentSizes } from "./segment_sizes.ts";

Deno.test("a size is kept for its path alone, and for an hour", () => {
  const sizes = new SegmentSizes();
  assert.equal(sizes.get("a", 0), undefined);
  sizes.set("a", 1220, 0);
  sizes.set("b", 536, 10, 100);
  assert.deepEqual([sizes.get("a", 50), sizes.get("b", 50), sizes.get("c", 50)], [
    1220,
    536,
    undefined,
  ]);
  assert.equal(sizes.get("b", 110), undefined);
  assert.equal(sizes.get("a", KEEP_MS - 1), 1220);
  assert.equal(sizes.get("a", KEEP_MS), undefined);
  sizes.set("a", 1220, 0);
  sizes.set("a", undefined, 1);
  assert.equal(sizes.get("a", 2), undefined);
});

Deno.test("of too many paths the one that was set first is forgotten", () => {
  const sizes = new SegmentSizes();
  for (let i = 0; i < 1024; i++) sizes.set(`${i}`, 1220, 0);
  sizes.set("0", 536, 0); // the newest now
  sizes.set("1024", 1220, 0);
  assert.deepEqual(["0", "1", "2", "1024"].map((path) => sizes.get(path, 1)), [
    536,
    undefined,
    1220,
    1220,
  ]);
});
