import assert from "node:assert/strict";
import fc from "fast-check";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { seededRng } from "../../../tests/fake/rng.ts";
import { TtunError } from "../../base/errors.ts";
import { formatCode, isCode, makeCodeWords, parseCode } from "./code.ts";

const WORDS = "ability-able-about-above-absent-absorb";

function refusal(text: string): string {
  try {
    parseCode(text);
  } catch (error) {
    assert(error instanceof TtunError && error.kind === "usage", String(error));
    return error.message;
  }
  return "";
}

Deno.test("a code is read as it was written, in any case, with spaces too", () => {
  for (
    const text of [`7-${WORDS}`, `7-${WORDS.toUpperCase()}`, ` 7 ${WORDS.replaceAll("-", "  ")}\n`]
  ) {
    assert.deepEqual(parseCode(text), { number: 7, words: WORDS });
    assert(isCode(text));
  }
  assert.equal(formatCode({ number: 12, words: WORDS }), `12-${WORDS}`);
  assert(!isCode("peer:7abc") && !isCode("7") && !isCode(""));
});

Deno.test("made words are six of the list, others each time, and chosen by all of 66 bits", () => {
  const rng = seededRng(1);
  const made = Array.from({ length: 100 }, () => makeCodeWords(rng));
  assert.equal(new Set(made).size, 100);
  for (const words of made) assert.deepEqual(parseCode(`1-${words}`), { number: 1, words });
  assert.equal(makeCodeWords((n) => new Uint8Array(n)), Array(6).fill(wordlist[0]).join("-"));
  assert.equal(makeCodeWords((n) => new Uint8Array(n).fill(255)), Array(6).fill("zoo").join("-"));
});

Deno.test("fewer words are refused with the reason, as are others and no number", () => {
  const five = WORDS.split("-").slice(0, 5).join("-");
  assert.match(refusal(`7-${five}`), /5 words and not 6: with fewer the key could be guessed/);
  assert.match(refusal(`7-${WORDS}-zoo`), /7 words and not 6/);
  for (const number of ["", "0", "-1", "x", "99999999999", "4294967296"]) {
    assert.match(refusal(`${number}-${WORDS}`), /begins with the number of a meeting/);
  }
});

Deno.test("a mistyped word is named by its place, with the nearest of the list, and the code is not told", () => {
  const typed = WORDS.replace("about", "abuot");
  const words = refusal(`7-${typed}`);
  assert.match(words, /its third word is none of the list; is it "about"\?$/);
  assert(!words.includes("abuot") && !words.includes("ability"));
  assert.match(
    refusal(`7-${WORDS.replace("able", "qqqqqqqq")}`),
    /second word is none of the list$/,
  );
});

Deno.test("whatever is typed is a code or refused by a sentence", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("7", ...wordlist.slice(0, 20)));
  fc.assert(fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
    const text = parts.join("-");
    const words = refusal(text);
    if (words !== "") assert.match(words, /^Cannot use this code: /);
  }));
});
