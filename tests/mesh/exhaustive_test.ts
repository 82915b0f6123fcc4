import { equal } from "node:assert/strict";
import { tryAll } from "./exhaustive.ts";

Deno.test("mesh: all orders of two moves in rings of two to four end well", () => {
  // The soak tests go deeper.
  equal(tryAll(2, 2, [50, 1500]) + tryAll(3, 2, [700]) + tryAll(4, 1, [50, 1500]), 274);
});
