import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import vectors from "../../../tests/vector/tt-v1.json" with { type: "json" };
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { TtKeys } from "./keys.ts";
import { Marker } from "./mark.ts";

for (const v of vectors.marks) {
  Deno.test(`known answers: mark of ${v.nonce}, ${v.password}`, () => {
    using keys = new TtKeys(utf8(v.password));
    const { aeadKey } = keys.at(v.minute);
    const tail = "5a".repeat(12);
    const random = new Marker(aeadKey).markedRandom(() => fromHex(v.nonce + "00".repeat(8) + tail));
    assert.equal(toHex(random), v.nonce + v.mark + tail);
    assert.ok(new Marker(aeadKey).hasMark(fromHex(v.nonce + v.mark + tail)));
  });
}

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("a mark is that of node:crypto, in 32 bytes that are random otherwise", () => {
  fc.assert(fc.property(anyKey, fc.nat(), (key, seed) => {
    const random = new Marker(key).markedRandom(seededRng(seed));
    const drawn = seededRng(seed)(32);
    const mac = createHmac("sha256", key).update("ttun").update(drawn.subarray(0, 12)).digest();
    const mark = new Uint8Array(mac.subarray(0, 8));
    assert.deepEqual(random, concat(drawn.subarray(0, 12), mark, drawn.subarray(20)));
    assert.ok(new Marker(key).hasMark(random));
  }));
});

Deno.test("every bit of nonce and mark counts, and none of the padding behind them", () => {
  const key = new Uint8Array(32).fill(7);
  const random = new Marker(key).markedRandom(seededRng(1));
  for (let bit = 0; bit < 8 * random.length; bit++) {
    const flipped = random.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    assert.equal(new Marker(key).hasMark(flipped), bit >= 8 * 20, `bit ${bit}`);
  }
  for (let bit = 0; bit < 256; bit++) {
    const other = key.slice();
    other[bit >>> 3]! ^= 1 << (bit & 7);
    assert.ok(!new Marker(other).hasMark(random), `bit ${bit} of the key`);
  }
});

Deno.test("the mark is found in R of any length that has room for it", () => {
  const key = new Uint8Array(32).fill(7);
  const random = new Marker(key).markedRandom(seededRng(1));
  for (let length = 0; length <= 32; length++) {
    assert.equal(
      new Marker(key).hasMark(random.subarray(0, length)),
      length >= 20,
      `${length} bytes`,
    );
  }
  assert.ok(new Marker(key).hasMark(concat(random, new Uint8Array(223))));
});

Deno.test("no existing program's R has it by chance", () => {
  const rng = seededRng(3);
  const key = rng(32);
  for (let i = 0; i < 5000; i++) assert.ok(!new Marker(key).hasMark(rng(12 + i % 21)));
});
