import assert from "node:assert/strict";
import { HalfSipHash } from "./half_siphash.ts";

Deno.test("HalfSipHash-2-4-64 has the answer of its reference (vectors.h, 8 bytes)", () => {
  const bytes = Uint8Array.from({ length: 11 }, (_, i) => i - 3);
  const hash = new HalfSipHash(bytes.subarray(3));
  hash.hash(bytes, 3);
  const out = new DataView(new ArrayBuffer(8));
  out.setInt32(0, hash.low, true);
  out.setInt32(4, hash.high, true);
  assert.equal(out.getBigUint64(0), 0xedfee820bce4858cn);
});
