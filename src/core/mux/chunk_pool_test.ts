import assert from "node:assert/strict";
import { CHUNK, ChunkPool, type Piece } from "./chunk_pool.ts";

Deno.test("a chunk is used again when none of its pieces is left", () => {
  const pool = new ChunkPool();
  const other = pool.take(1);
  const piece = pool.take(CHUNK);
  piece.chunk!.users++;
  pool.release(piece);
  assert(pool.next !== piece.bytes);
  const next = pool.take(1);
  pool.release(piece);
  assert(pool.next === piece.bytes);
  assert.equal(pool.used, 2);
  for (const one of [other, next]) pool.release(one);
  assert.equal(pool.used, 0);
});

Deno.test("a piece is the front of the chunk that was next", () => {
  const pool = new ChunkPool();
  pool.next.fill(7);
  const { bytes, chunk } = pool.take(3);
  assert.deepEqual([...bytes], [7, 7, 7]);
  assert.equal(chunk!.bytes.length, CHUNK);
  assert(bytes.buffer === chunk!.bytes.buffer && pool.next.buffer !== bytes.buffer);
});

Deno.test("few chunks are kept for later, and none when nobody has any", () => {
  const pool = new ChunkPool();
  const take = (count: number) => Array.from({ length: count }, () => pool.take(CHUNK));
  const release = (pieces: Piece[]) => pieces.forEach((piece) => pool.release(piece));
  const [last, ...others] = take(200);
  release(others);
  const again = take(199);
  const known = new Set(others.map(({ chunk }) => chunk));
  assert.equal(again.filter(({ chunk }) => known.has(chunk)).length, 64);
  release([last!, ...again]);
  assert.equal(take(65).filter(({ chunk }) => chunk !== last!.chunk && known.has(chunk)).length, 0);
});

Deno.test("bytes in memory of their own are no business of the pool", () => {
  const pool = new ChunkPool();
  pool.release({ bytes: new Uint8Array(5), chunk: null });
  assert.equal(pool.used, 0);
});
