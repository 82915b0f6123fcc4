import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { PublishedNames } from "./published_names.ts";

Deno.test("a name ends when its agent does not publish it again", async () => {
  const clock = new FakeClock();
  const ended: string[] = [];
  const names = new PublishedNames(clock, (name) => ended.push(name));
  assert.equal(names.keep("shop", 100), true);
  assert.equal(names.keep("blog", 100), true);
  await clock.advance(60);
  assert.equal(names.keep("shop", 100), false);
  await clock.advance(60);
  assert.deepEqual([[...names], ended], [["shop"], ["blog"]]);
  assert.deepEqual([names.delete("shop"), names.delete("shop"), names.has("shop")], [
    ...[true, false],
    false,
  ]);
  await clock.advance(1000);
  assert.deepEqual([ended, names.size], [["blog"], 0]);
});
