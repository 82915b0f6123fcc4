import assert from "node:assert/strict";
import { parseRate } from "./rate.ts";

Deno.test("a rate is bytes per second, with a unit of thousands", () => {
  const rates = {
    "1": 1,
    "500k": 500_000,
    "2M": 2e6,
    "1.5MB": 1.5e6,
    "1g": 1e9,
    "3 ": 3,
    "2kB/s": 2000,
  };
  for (const [text, rate] of Object.entries(rates)) assert.equal(parseRate(text), rate);
  for (const text of ["", "0", "k", "-1", "1x", "1e3", "0.2"]) {
    assert.throws(() => parseRate(text), { kind: "usage", message: /bytes per second/ });
  }
});
