import assert from "node:assert/strict";
import { fromLatin1, toLatin1 } from "./latin1.ts";

const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);

Deno.test("a byte is the character of its number, 80 to 9f too", () => {
  assert.equal(fromLatin1(everyByte).codePointAt(0x80), 0x80);
  assert.deepEqual([...fromLatin1(everyByte)].map((c) => c.codePointAt(0)), [...everyByte]);
  assert.deepEqual(toLatin1(fromLatin1(everyByte)), everyByte);
});

Deno.test("texts longer than a call has arguments come through", () => {
  for (const size of [0, 1, 4095, 4096, 4097, 300_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7);
    assert.deepEqual(toLatin1(fromLatin1(bytes)), bytes);
  }
});

Deno.test("a character that is no byte is refused", () => {
  assert.throws(() => toLatin1("aĀ"), RangeError);
  assert.deepEqual(toLatin1("aÿ"), new Uint8Array([0x61, 0xff]));
});
