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
    const marker = new Marker(aeadKey);
    const tail = "5a".repeat(4);
    const random = marker.markedRandom(() => fromHex(v.nonce + "00".repeat(16) + tail));
    assert.equal(toHex(random), v.nonce + v.mark + v.lasting + tail);
    assert.equal(marker.peerOf(fromHex(v.nonce + v.mark + v.lasting + tail)), "lasting");
    assert.equal(marker.peerOf(fromHex(v.nonce + v.mark + "00".repeat(12))), "marked");
  });
}

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 });
const KEY = new Uint8Array(32).fill(7);

Deno.test("a mark is that of node:crypto, in 32 bytes that are random otherwise", () => {
  fc.assert(fc.property(anyKey, fc.nat(), (key, seed) => {
    const random = new Marker(key).markedRandom(seededRng(seed));
    const drawn = seededRng(seed)(32);
    const mac = createHmac("sha256", key).update("ttun").update(drawn.subarray(0, 12)).digest();
    const proof = new Uint8Array(mac.subarray(0, 16));
    assert.deepEqual(random, concat(drawn.subarray(0, 12), proof, drawn.subarray(28)));
    assert.equal(new Marker(key).peerOf(random), "lasting");
  }));
});

Deno.test("every bit of nonce and proofs counts, and none of the padding behind them", () => {
  const random = new Marker(KEY).markedRandom(seededRng(1));
  for (let bit = 0; bit < 8 * random.length; bit++) {
    const flipped = random.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    const expected = bit < 8 * 20 ? "unmarked" : bit < 8 * 28 ? "marked" : "lasting";
    assert.equal(new Marker(KEY).peerOf(flipped), expected, `bit ${bit}`);
  }
  for (let bit = 0; bit < 256; bit++) {
    const other = KEY.slice();
    other[bit >>> 3]! ^= 1 << (bit & 7);
    assert.equal(new Marker(other).peerOf(random), "unmarked", `bit ${bit} of the key`);
  }
});

Deno.test("what R says is found in R of any length that has room for it", () => {
  const random = new Marker(KEY).markedRandom(seededRng(1));
  for (let length = 0; length <= 32; length++) {
    const expected = length < 20 ? "unmarked" : length < 28 ? "marked" : "lasting";
    assert.equal(new Marker(KEY).peerOf(random.subarray(0, length)), expected, `${length} bytes`);
  }
  assert.equal(new Marker(KEY).peerOf(concat(random, new Uint8Array(223))), "lasting");
});

Deno.test("no existing program's R has it by chance", () => {
  const rng = seededRng(3);
  const key = rng(32);
  for (let i = 0; i < 5000; i++) {
    assert.equal(new Marker(key).peerOf(rng(12 + i % 21)), "unmarked");
  }
});

/** Peer that R shows by a second reading of docs/wire/tt-v1.md, 7, with node:crypto. */
function wantedPeer(key: Uint8Array, random: Uint8Array): string {
  const mac = createHmac("sha256", key).update("ttun").update(random.subarray(0, 12)).digest("hex");
  const hex = toHex(random);
  if (random.length < 20 || hex.slice(24, 40) !== mac.slice(0, 16)) return "unmarked";
  return random.length >= 28 && hex.slice(40, 56) === mac.slice(16, 32) ? "lasting" : "marked";
}

Deno.test("any R of any length, with parts of a mark in it or none, says what a second reading says", () => {
  const seen = new Set<string>();
  const marker = new Marker(KEY);
  const random = fc.uint8Array({ maxLength: 60, size: "max" });
  const piece = fc.record({ from: fc.nat(28), to: fc.nat(32) });
  fc.assert(
    fc.property(random, fc.nat(), fc.option(piece), (noise, seed, copied) => {
      const mark = marker.markedRandom(seededRng(seed));
      const bytes = new Uint8Array(noise);
      bytes.set(mark.subarray(0, Math.min(12, bytes.length)));
      if (copied !== null) {
        const end = Math.min(copied.to, bytes.length);
        for (let i = copied.from; i < end; i++) bytes[i] = mark[i]!;
      }
      const found = marker.peerOf(bytes);
      assert.equal(found, wantedPeer(KEY, bytes));
      seen.add(found);
    }),
    { numRuns: 1_000 },
  );
  assert.deepEqual([...seen].sort(), ["lasting", "marked", "unmarked"]);
});
