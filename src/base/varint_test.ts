import assert from "node:assert/strict";
import { fromHex, toHex } from "./bytes.ts";
import vectors from "../../tests/vector/link-v2.json" with { type: "json" };
import { Reader, varint, varintSize, writeVarint } from "./varint.ts";

for (const v of vectors.varints) {
  Deno.test(`varint ${v.bytes}: ${v.note}`, () => {
    const reader = new Reader(fromHex(v.bytes));
    if (v.value === null) {
      assert.throws(() => reader.varint(), { kind: "protocol" });
      return;
    }
    assert.equal(reader.varint(), v.value);
    assert(reader.isAtEnd);
    if (v.shortest !== null) assert.equal(toHex(varint(v.value)), v.shortest);
  });
}

Deno.test("a varint of any allowed length reads back as its value", () => {
  for (const value of [0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, 2 ** 32, 2 ** 53 - 1]) {
    for (const size of [1, 2, 4, 8] as const) {
      if (size < varintSize(value)) continue;
      const bytes = new Uint8Array(size);
      assert.equal(writeVarint(bytes, 0, value, size), size);
      assert.equal(new Reader(bytes).varint(), value);
    }
  }
});
