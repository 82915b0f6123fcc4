import assert from "node:assert/strict";
import { isLoopback } from "./loopback.ts";

Deno.test("loopback is what no other machine reaches", () => {
  for (const address of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(isLoopback(address), true, address);
  }
  for (const address of ["", "0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1"]) {
    assert.equal(isLoopback(address), false, address);
  }
});
