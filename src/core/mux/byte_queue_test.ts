import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteQueue } from "./byte_queue.ts";

fc.configureGlobal({ seed: 18 });

/** The byte that stands at `i` of all that was pushed. */
function byteAt(i: number): number {
  return (i * 7 + (i >>> 8)) & 0xff;
}

function bytesFrom(at: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(at + i));
}

const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 5000 }));
const step = fc.tuple(fc.constantFrom("push" as const, "take" as const, "read" as const), size);

Deno.test("bytes come out as they went in, and what was taken never changes", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const queue = new ByteQueue();
    const taken: [number, Uint8Array][] = [];
    let [pushed, out] = [0, 0];
    for (const [kind, length] of steps) {
      if (kind === "push") {
        const bytes = bytesFrom(pushed, length);
        queue.push(bytes);
        bytes.fill(0xee);
        pushed += length;
      } else if (queue.length > 0 && kind === "take") {
        const part = queue.take(length);
        assert(part.length >= 1 && part.length <= length);
        taken.push([out, part]);
        out += part.length;
      } else if (kind === "read") {
        const into = new Uint8Array(length);
        const got = queue.read(into);
        assert.equal(got, Math.min(length, pushed - out));
        taken.push([out, into.subarray(0, got)]);
        out += got;
      }
      assert.equal(queue.length, pushed - out);
    }
    for (const [at, part] of taken) assert.deepEqual([...part], [...bytesFrom(at, part.length)]);
  }));
});

Deno.test("small writes are taken together, and large ones as they are", () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 4096; i++) queue.push(bytesFrom(i, 1));
  assert.equal(queue.take(9000).length, 2048);
  assert.equal(queue.take(100).length, 100);
  assert.equal(queue.take(9000).length, 1948);
  queue.push(bytesFrom(0, 5000));
  queue.push(bytesFrom(5000, 5000));
  assert.equal(queue.take(9000).length, 5000);
});

Deno.test("bytes that come one by one take little more memory than they are", () => {
  const queue = new ByteQueue();
  const one = new Uint8Array(1);
  for (let i = 0; i < 100_000; i++) queue.push(one);
  const blocks = new Set<ArrayBufferLike>();
  while (queue.length > 0) blocks.add(queue.take(4096).buffer);
  const bytes = [...blocks].reduce((sum, block) => sum + block.byteLength, 0);
  assert(blocks.size < 60 && bytes < 130_000, `${blocks.size} arrays, ${bytes} bytes`);
});

Deno.test("what is cleared is gone", () => {
  const queue = new ByteQueue();
  queue.push(bytesFrom(0, 10));
  queue.take(3);
  queue.clear();
  assert.equal(queue.length, 0);
  assert.equal(queue.read(new Uint8Array(5)), 0);
  queue.push(bytesFrom(0, 10));
  assert.deepEqual([...queue.take(20)], [...bytesFrom(0, 10)]);
});
