import assert from "node:assert/strict";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { PoisoningPool } from "../../../tests/fake/mux_end.ts";
import { ByteQueue } from "./byte_queue.ts";
import { CHUNK, ChunkPool, type Piece } from "./chunk_pool.ts";

fc.configureGlobal({ seed: 18 });

/** The byte that stands at `i` of all that was pushed. */
function byteAt(i: number): number {
  return (i * 7 + (i >>> 8)) & 0xff;
}

function bytesFrom(at: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(at + i));
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 1, max: CHUNK }),
);
const kind = fc.constantFrom(
  "push" as const,
  "commit" as const,
  "take" as const,
  "read" as const,
  "consume" as const,
  "release" as const,
);
const step = fc.tuple(kind, size);

Deno.test("bytes come out as they went in, and what was taken does not change until it is released", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const pool = new PoisoningPool();
    const queue = new ByteQueue(pool);
    const taken: [number, Piece][] = [];
    let [pushed, out] = [0, 0];
    const look = (at: number, bytes: Uint8Array) =>
      assert(Buffer.compare(bytes, bytesFrom(at, bytes.length)) === 0, `bytes from ${at}`);
    const release = () => {
      const [at, piece] = taken.shift()!;
      look(at, piece.bytes);
      pool.release(piece);
    };
    for (const [kind, length] of steps) {
      if (kind === "push") {
        const bytes = bytesFrom(pushed, length);
        queue.push(bytes);
        bytes.fill(0xee);
        pushed += length;
      } else if (kind === "commit") {
        pool.next.set(bytesFrom(pushed, length));
        queue.commit(length);
        pushed += length;
      } else if (queue.length > 0 && kind === "take") {
        const piece = queue.take(length);
        assert(piece.bytes.length >= 1 && piece.bytes.length <= length);
        taken.push([out, piece]);
        out += piece.bytes.length;
      } else if (kind === "read") {
        const into = new Uint8Array(length);
        const got = queue.read(into);
        assert.equal(got, Math.min(length, pushed - out));
        look(out, into.subarray(0, got));
        out += got;
      } else if (queue.length > 0 && kind === "consume") {
        look(out, queue.first);
        const dropped = Math.min(length, queue.length);
        queue.consume(dropped);
        out += dropped;
      } else if (kind === "release" && taken.length > 0) release();
      assert.equal(queue.length, pushed - out);
    }
    while (taken.length > 0) release();
    queue.clear();
    assert.equal(pool.used, 0);
  }));
});

Deno.test("small writes are taken together, and large ones as they are", () => {
  const queue = new ByteQueue(new ChunkPool());
  for (let i = 0; i < 4096; i++) queue.push(bytesFrom(i, 1));
  assert.equal(queue.take(9000).bytes.length, 2048);
  assert.equal(queue.take(100).bytes.length, 100);
  assert.equal(queue.take(9000).bytes.length, 1948);
  queue.push(bytesFrom(0, 5000));
  queue.push(bytesFrom(5000, 5000));
  assert.equal(queue.take(9000).bytes.length, 5000);
});

Deno.test("bytes that come one by one take little more memory than they are", () => {
  const queue = new ByteQueue(new ChunkPool());
  const one = new Uint8Array(1);
  for (let i = 0; i < 100_000; i++) queue.push(one);
  const blocks = new Set<ArrayBufferLike>();
  while (queue.length > 0) blocks.add(queue.take(4096).bytes.buffer);
  const bytes = [...blocks].reduce((sum, block) => sum + block.byteLength, 0);
  assert(blocks.size < 60 && bytes < 130_000, `${blocks.size} arrays, ${bytes} bytes`);
});

Deno.test("a long queue lies in full chunks, a short one has none", () => {
  const pool = new ChunkPool();
  const queue = new ByteQueue(pool);
  for (let i = 0; i < 3; i++) queue.push(bytesFrom(0, 15_000));
  assert.equal(pool.used, 0);
  for (let i = 0; i < 40; i++) queue.push(bytesFrom(0, 15_000));
  assert.equal(pool.used, Math.ceil(40 * 15_000 / CHUNK));
  queue.read(new Uint8Array(45_000));
  for (let i = 0; i < 10; i++) assert.equal(queue.take(CHUNK).bytes.length, CHUNK);
});

Deno.test("what was put into the next chunk is copied out of it if it is little", () => {
  const pool = new ChunkPool();
  const queue = new ByteQueue(pool);
  const first = pool.next;
  queue.commit(CHUNK / 2);
  assert.deepEqual([pool.next === first, pool.used], [true, 0]);
  queue.commit(CHUNK);
  assert.deepEqual([pool.next === first, pool.used], [false, 1]);
  assert.equal(queue.take(CHUNK).bytes.length, CHUNK / 2);
  assert(queue.first === first);
});

Deno.test("what is cleared is gone", () => {
  const queue = new ByteQueue(new ChunkPool());
  queue.push(bytesFrom(0, 10));
  queue.take(3);
  queue.clear();
  assert.equal(queue.length, 0);
  assert.equal(queue.read(new Uint8Array(5)), 0);
  queue.push(bytesFrom(0, 10));
  assert.deepEqual([...queue.take(20).bytes], [...bytesFrom(0, 10)]);
});
