import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { utf8 } from "../../base/bytes.ts";
import { readEarly } from "./early_input.ts";

Deno.test("what a program has said already is read, and what comes behind it is left", () => {
  const [stdio, program] = memoryPair();
  program.writeNow(utf8("hello"));
  const { bytes, rest } = readEarly(stdio);
  assert.deepEqual(bytes, utf8("hello"));
  assert.equal(rest, stdio);
  assert.equal(readEarly(stdio).bytes.length, 0);
});

Deno.test("an input that has ended already stays ended, and the output is as before", async () => {
  const [stdio, program] = memoryPair();
  await program.closeWrite();
  const { bytes, rest } = readEarly(stdio);
  assert.equal(bytes.length, 0);
  const into = new Uint8Array(9);
  assert.equal(rest.readNow(into), null);
  assert.equal(rest.readNow(into), null);
  assert.equal(rest.writeNow(utf8("answer")), 6);
  await rest.closeWrite();
  assert.equal(program.readNow(into), 6);
  assert.equal(program.readNow(into), null);
});
