import assert from "node:assert/strict";
import { lastLines } from "./logs.ts";
import { startIn } from "./processes.ts";

Deno.test("the start of a process is field 22, whatever its name has in it", () => {
  const rest = "1 1 1 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 4711 1000 10";
  assert.equal(startIn(`7 (ttun) S ${rest}`), "4711");
  assert.equal(startIn(`7 (a) b ) (c) R ${rest}`), "4711");
  assert.equal(startIn(`7 (ttun) Z ${rest}`), null);
  assert.equal(startIn(""), null);
});

Deno.test("the last lines of a log", () => {
  assert.equal(lastLines("a\nb\nc\n", 2), "b\nc\n");
  assert.equal(lastLines("a\n", 5), "a\n");
  assert.equal(lastLines("a\n", 0), "");
  assert.equal(lastLines("", 5), "");
});
