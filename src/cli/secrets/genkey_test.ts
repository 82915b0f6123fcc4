import assert from "node:assert/strict";
import { makeKey } from "./genkey.ts";

Deno.test("a key is 32 bytes as 43 characters of base64url, and never the same", () => {
  const keys = Array.from({ length: 100 }, makeKey);
  for (const key of keys) {
    assert.match(key, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(Uint8Array.fromBase64(key, { alphabet: "base64url" }).length, 32);
  }
  assert.equal(new Set(keys).size, 100);
});
