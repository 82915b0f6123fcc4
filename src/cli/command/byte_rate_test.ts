import assert from "node:assert/strict";
import { parseByteRate } from "./byte_rate.ts";

Deno.test("a rate is bytes per second, with a unit or without", () => {
  const read = ["1", "500k", "4M", "1.5g", "0.5K"].map(parseByteRate);
  assert.deepEqual(read, [1, 500_000, 4_000_000, 1_500_000_000, 500]);
  for (const text of ["", "0", "0.5", "-1", "4MB", "4 M", "1e9", "0x10", "12345678901"]) {
    assert.throws(() => parseByteRate(text), { kind: "usage" }, text);
  }
});
