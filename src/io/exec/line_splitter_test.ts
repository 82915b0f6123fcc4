import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { LineSplitter } from "./line_splitter.ts";

function linesOf(...pieces: Uint8Array[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const piece of pieces) splitter.add(piece);
  splitter.end();
  return lines;
}

Deno.test("lines come whole, without their ends, and the last one may have none", () => {
  assert.deepEqual(linesOf(utf8("one\r\n\n two\nth"), utf8("ree")), ["one", "two", "three"]);
  assert.deepEqual(linesOf(), []);
});

Deno.test("a long line comes in parts", () => {
  const lines = linesOf(utf8("x".repeat(2500)), utf8("y\n"));
  assert.deepEqual(lines.map(({ length }) => length), [1000, 1000, 501]);
});

Deno.test("the pieces that bytes come in make no difference to short lines", () => {
  const text = fc.array(fc.string({ unit: "grapheme", maxLength: 50 }), { maxLength: 10 });
  fc.assert(fc.property(text, fc.array(fc.nat(400)), (lines, cuts) => {
    const bytes = utf8(lines.join("\n"));
    const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
    const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
    assert.deepEqual(linesOf(...pieces), linesOf(bytes));
  }));
});

Deno.test("any bytes are lines of bounded length", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
    for (const line of linesOf(bytes)) assert.ok(line.length >= 1 && line.length <= 1000);
  }));
});
