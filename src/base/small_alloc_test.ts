import assert from "node:assert/strict";
import { allocSmall, copyBytes } from "./small_alloc.ts";

Deno.test("each array is zero, of its length, and nobody else's", () => {
  const all: Uint8Array[] = [];
  for (let i = 0; i < 2000; i++) {
    const bytes = allocSmall(i % 600);
    assert.equal(bytes.length, i % 600);
    assert.ok(bytes.every((byte) => byte === 0));
    all.push(bytes.fill(i % 251 + 1));
  }
  for (const [i, bytes] of all.entries()) assert.ok(bytes.every((byte) => byte === i % 251 + 1));
});

Deno.test("many small ones share memory; a long one has its own", () => {
  const buffers = new Set(Array.from({ length: 1000 }, () => allocSmall(32).buffer));
  assert.ok(buffers.size <= 9, `${buffers.size} buffers`);
  assert.equal(allocSmall(513).buffer.byteLength, 513);
});

Deno.test("a copy is one", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const copy = copyBytes(bytes);
  bytes.fill(9);
  assert.deepEqual([...copy], [1, 2, 3]);
  assert.equal(copyBytes(new Uint8Array(5000)).length, 5000);
});
