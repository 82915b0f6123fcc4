import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import { concat } from "../../base/bytes.ts";
import { RandomBlock } from "./random_pool.ts";

Deno.test("the generator's bytes come in order, each once, and seldom is it asked", () => {
  const asked: number[] = [];
  const rng = seededRng(1);
  const random = new RandomBlock((length) => {
    asked.push(length);
    return rng(length);
  });
  assert.deepEqual(asked, []);
  const lengths = fc.sample(fc.nat(300), { numRuns: 100, seed: 1 });
  const found = lengths.map((length) => {
    const bytes = new Uint8Array(length + 7).fill(0xee);
    random.fill(bytes, 3, length);
    assert.deepEqual([...bytes.subarray(0, 3), ...bytes.subarray(3 + length)], Array(7).fill(0xee));
    return bytes.slice(3, 3 + length);
  });
  const all = concat(...found);
  const same = seededRng(1);
  const wanted = concat(...asked.map((length) => same(length))).subarray(0, all.length);
  assert.deepEqual(all, wanted);
  assert.equal(asked.length, Math.ceil(all.length / 4096));
  assert.ok(asked.length > 2);
});

Deno.test("below() is each number equally often, for every limit", () => {
  // A generator that counts: in 16 rounds of it each number comes exactly 16 floor(256/limit) times.
  for (let limit = 1; limit <= 256; limit++) {
    const random = new RandomBlock((length) => Uint8Array.from({ length }, (_, i) => i));
    const times = new Array<number>(limit).fill(0);
    const each = 16 * Math.floor(256 / limit);
    for (let i = 0; i < limit * each; i++) times[random.below(limit)]!++;
    assert.ok(times.every((n) => n === each), `limit ${limit}: ${times}`);
  }
});

Deno.test("a generator that gives too few bytes is not believed, once or twice", () => {
  const random = new RandomBlock((length) => new Uint8Array(length - 1));
  const internal = { name: "TtunError", kind: "internal" };
  assert.throws(() => random.below(2), internal);
  assert.throws(() => random.fill(new Uint8Array(20), 0, 20), internal);
});
