import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { LineBatch } from "./line_batch.ts";

Deno.test("lines go out together after a moment, when there are many, and at the end", async () => {
  const clock = new FakeClock();
  const written: string[] = [];
  const batch = new LineBatch(clock, (lines) => written.push(lines));
  batch.add("a");
  batch.add("b");
  assert.deepEqual(written, []);
  await clock.advance(20);
  assert.deepEqual(written, ["a\nb"]);
  const long = "c".repeat(20_000);
  batch.add(long);
  batch.add(long);
  assert.deepEqual(written.at(-1), `${long}\n${long}`);
  batch.add("d");
  batch[Symbol.dispose]();
  assert.equal(written.at(-1), "d");
  assert.equal(clock.pending, 0);
  batch[Symbol.dispose]();
  assert.equal(written.length, 3);
});
