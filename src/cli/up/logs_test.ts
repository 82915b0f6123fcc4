import assert from "node:assert/strict";
import { lastLines } from "./logs.ts";

Deno.test("the last lines of a log", () => {
  assert.equal(lastLines("a\nb\nc\n", 2), "b\nc\n");
  assert.equal(lastLines("a\n", 5), "a\n");
  assert.equal(lastLines("a\n", 0), "");
  assert.equal(lastLines("", 5), "");
});
