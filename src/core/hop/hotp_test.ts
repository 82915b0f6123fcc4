import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { dynamicTruncation, hotp, hotpBits } from "./hotp.ts";

/** RFC 4226 appendix D: HMAC-SHA-1, its truncation, six digits; the counters are 0 to 9. */
const SECRET = utf8("12345678901234567890");
const APPENDIX_D = [
  ["cc93cf18508d94934c64b65d8ba7667fb7cde4b0", "4c93cf18", 1284755224, 755224],
  ["75a48a19d4cbe100644e8ac1397eea747a2d33ab", "41397eea", 1094287082, 287082],
  ["0bacb7fa082fef30782211938bc1c5e70416ff44", "82fef30", 137359152, 359152],
  ["66c28227d03a2d5529262ff016a1e6ef76557ece", "66ef7655", 1726969429, 969429],
  ["a904c900a64b35909874b33e61c5938a8e15ed1c", "61c5938a", 1640338314, 338314],
  ["a37e783d7b7233c083d4f62926c7a25f238d0316", "33c083d4", 868254676, 254676],
  ["bc9cd28561042c83f219324d3c607256c03272ae", "7256c032", 1918287922, 287922],
  ["a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", "4e5b397", 82162583, 162583],
  ["1b3c89f65e6c9e883012052823443f048b4332db", "2823443f", 673399871, 399871],
  ["1637409809a679dc698207310c8c7fc07290d9e5", "2679dc69", 645520489, 520489],
] as const;

/** RFC 4226 appendix C's reference, by node:crypto. */
function reference(key: Uint8Array, counter: bigint): number {
  const bytes = fromHex(counter.toString(16).padStart(16, "0"));
  const mac = createHmac("sha1", key).update(bytes).digest();
  return mac.readUInt32BE(mac[19]! & 15) % 2 ** 31;
}

for (const [counter, [mac, hex, decimal, digits]] of APPENDIX_D.entries()) {
  Deno.test(`RFC 4226 appendix D, counter ${counter}`, () => {
    const bytes = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, counter);
    assert.equal(toHex(hmac(sha1, SECRET, bytes)), mac);
    assert.equal(dynamicTruncation(fromHex(mac)), parseInt(hex, 16));
    for (const form of [counter, BigInt(counter)]) {
      assert.equal(hotpBits(SECRET, form), decimal);
      assert.equal(hotp(SECRET, form, 10 ** 6), digits);
    }
  });
}

Deno.test("hotp() keeps eight digits where eight are asked for", () => {
  assert.equal(hotp(SECRET, 0, 10 ** 8), 84755224);
  assert.equal(hotp(SECRET, 7, 10 ** 8), 82162583);
});

Deno.test("hotpBits() is the reference's for any key and all 64 bits of the counter", () => {
  const ends = fc.constantFrom(0xffff_ffffn, 1n << 32n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n);
  const counter = fc.oneof(ends, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), counter, (key, n) => {
    assert.equal(hotpBits(key, n), reference(key, n));
    if (n <= Number.MAX_SAFE_INTEGER) assert.equal(hotpBits(key, Number(n)), reference(key, n));
  }));
});

Deno.test("dynamicTruncation() takes any offset and clears the top bit", () => {
  for (let offset = 0; offset < 16; offset++) {
    const mac = new Uint8Array(20).fill(0xff);
    mac[19] = 0xa0 | offset;
    // At offset 15 bytes 15 to 18 are taken, so that byte 19 never is.
    assert.equal(dynamicTruncation(mac), 0x7fff_ffff, `offset ${offset}`);
    mac.set([0x80, 1, 2, 3], offset);
    assert.equal(dynamicTruncation(mac), 0x10203, `offset ${offset}`);
  }
});

Deno.test("what is no counter of 64 bits, or no MAC of SHA-1, is a bug of the caller", () => {
  const internal = { name: "TtunError", kind: "internal" };
  for (const counter of [-1, 0.5, NaN, Infinity, 2 ** 53, -1n, 1n << 64n]) {
    assert.throws(() => hotpBits(SECRET, counter), internal, String(counter));
  }
  for (const size of [0, 19, 21, 32]) {
    assert.throws(() => dynamicTruncation(new Uint8Array(size)), internal);
  }
});
