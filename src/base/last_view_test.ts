import assert from "node:assert/strict";
import fc from "fast-check";
import { LastView } from "./last_view.ts";

Deno.test("last_view: it always is the view that was asked for", () => {
  const arrays = [new Uint8Array(20), new Uint8Array(20), new Uint8Array(7)];
  const place = fc.record({ of: fc.nat(2), start: fc.nat(22), end: fc.nat(22) });
  fc.assert(fc.property(fc.array(place), (places) => {
    const last = new LastView();
    for (const { of, start, end } of places) {
      const bytes = arrays[of]!;
      const wanted = bytes.subarray(start, end);
      const found = last.of(bytes, start, end);
      assert.deepEqual(
        [found.buffer === wanted.buffer, found.byteOffset, found.length],
        [true, wanted.byteOffset, wanted.length],
      );
    }
  }));
});

Deno.test("last_view: the same one is not made twice", () => {
  const last = new LastView();
  const bytes = new Uint8Array(20);
  assert.equal(last.from(bytes, 3), last.of(bytes, 3, 20));
  assert.notEqual(last.of(bytes, 3, 20), last.of(bytes, 3, 19));
});
