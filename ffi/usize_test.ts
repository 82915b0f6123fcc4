import { equal } from "node:assert/strict";
import { usize } from "./usize.ts";

Deno.test("usize: a size as a bigint, the first time and again", () => {
  for (const size of [0, 1, 100, 4095, 4096, 4097, 131_038, 4096, 2 ** 40, 100, 131_038, 0]) {
    equal(usize(size), BigInt(size));
    equal(usize(size), BigInt(size));
  }
});
