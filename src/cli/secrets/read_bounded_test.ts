import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readBounded } from "./read_bounded.ts";

/** A file that gives as much as each of `sizes` says, then as much as fits. */
function file(content: Uint8Array, sizes: readonly number[]) {
  const state = { largest: 0, given: 0 };
  const next = [...sizes];
  const read = (into: Uint8Array): Promise<number | null> => {
    assert.ok(into.length > 0, "was asked for nothing");
    state.largest = Math.max(state.largest, into.byteOffset + into.length);
    const wanted = Math.max(1, Math.min(next.shift() ?? Infinity, into.length));
    const part = content.subarray(state.given, state.given + wanted);
    into.set(part);
    state.given += part.length;
    return Promise.resolve(part.length === 0 ? null : part.length);
  };
  return { read, state };
}

Deno.test("a file within the limit comes whole, one over it not at all", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 0, max: 300_000 }),
      fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 20 }),
      async (length, limit, sizes) => {
        const content = Uint8Array.from({ length }, (_, i) => i * 7);
        const { read, state } = file(content, sizes);
        const found = await readBounded({ read }, limit);
        assert.ok(state.largest <= limit + 1, "more memory was taken than the limit");
        if (length > limit) assert.equal(found, null);
        else assert.ok(found !== null && Buffer.compare(found, content) === 0);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("the buffers that a file went through are empty afterwards", async () => {
  const seen: Uint8Array[] = [];
  const content = new Uint8Array(200_000).fill(7);
  const { read } = file(content, []);
  const keep = (into: Uint8Array) => {
    seen.push(into);
    return read(into);
  };
  assert.deepEqual(await readBounded({ read: keep }, 1 << 20), content);
  assert.ok(seen.length > 2);
  assert.ok(seen.every((buffer) => buffer.every((byte) => byte === 0)));
});
