import assert from "node:assert/strict";
import { fromHex } from "../../base/bytes.ts";
import { fingerprintWords } from "./fingerprint_words.ts";

Deno.test("a digest's first 66 bits are six words of BIP 39's English list", () => {
  const words = (hex: string) => fingerprintWords(fromHex(hex.padEnd(64, "5")));
  assert.equal(words("0".repeat(20)), "abandon-abandon-abandon-abandon-abandon-abandon");
  assert.equal(words("f".repeat(20)), "zoo-zoo-zoo-zoo-zoo-zoo");
  // 11 bits each of 1, 2, 3, 4, 5, 6, and then other bits.
  const bits = [1, 2, 3, 4, 5, 6].map((i) => i.toString(2).padStart(11, "0")).join("") + "111111";
  const hex = BigInt(`0b${bits}`).toString(16).padStart(18, "0");
  assert.equal(words(hex), "ability-able-about-above-absent-absorb");
});
