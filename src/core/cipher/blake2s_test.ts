import assert from "node:assert/strict";
import { blake2s as reference } from "@noble/hashes/blake2.js";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { blake2s } from "./blake2s.ts";

Deno.test("BLAKE2s gives what RFC 7693 and the reference's list of tests say", () => {
  assert.equal(
    toHex(blake2s(utf8("abc"), null)),
    "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
  );
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.deepEqual(
    blake2s(new Uint8Array(), key),
    fromHex("48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"),
  );
});

Deno.test("BLAKE2s gives what another implementation does, for every length and key", () => {
  const key = fc.oneof(fc.constant(null), fc.uint8Array({ minLength: 1, maxLength: 32 }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), key, (input, key) => {
    assert.deepEqual(blake2s(input, key), reference(input, key === null ? {} : { key }));
  }));
  for (const length of [0, 63, 64, 65, 127, 128, 129, 192]) {
    const input = new Uint8Array(length).fill(length);
    for (const key of [null, new Uint8Array(32).fill(7)]) {
      assert.deepEqual(blake2s(input, key), reference(input, key === null ? {} : { key }));
    }
  }
});

Deno.test("a key that is too long is refused", () => {
  assert.throws(() => blake2s(new Uint8Array(), new Uint8Array(33)), RangeError);
});
