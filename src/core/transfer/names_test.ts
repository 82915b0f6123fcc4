import assert from "node:assert/strict";
import fc from "fast-check";
import { sha256 } from "../../../tests/fake/sha256.ts";
import { baseOf, blindName, nameFault, parentOf, shownName, topOf } from "./names.ts";
import { temporaryName } from "./temporary_name.ts";

Deno.test("names that lead elsewhere, hide something or are too long are refused with the reason", () => {
  const faults: Record<string, string> = {
    "": "it is empty",
    "/etc/passwd": "it is absolute",
    "..": "it has the part ..",
    "a/../b": "it has the part ..",
    "a/..": "it has the part ..",
    ".": "it has the part .",
    "a//b": "it has an empty part",
    "a/": "it has an empty part",
    "a\nb": "it has control characters",
    "a\0b": "it has control characters",
    "a\x7f": "it has control characters",
    "a\u0085": "it has control characters",
    "a\x1b[2J": "it has control characters",
    "a\ud800": "it is not UTF-8",
    [`${"x".repeat(4096)}y`]: "it has more than 4096 bytes",
    ["x".repeat(256)]: "a part of it has more than 255 bytes",
    ["ü".repeat(128)]: "a part of it has more than 255 bytes",
    [`a/${temporaryName("b", sha256)}`]: "it is that of an unfinished file of ttun's",
    [temporaryName("b", sha256).toUpperCase()]: "it is that of an unfinished file of ttun's",
  };
  for (const [name, fault] of Object.entries(faults)) assert.equal(nameFault(name), fault);
});

Deno.test("ordinary names may be used", () => {
  const longest = Array.from({ length: 16 }, () => "x".repeat(255)).join("/");
  for (const name of ["a", "a/b c/d", "...", ".profile", "a..b", "\\", "ü/日本", "-rf", longest]) {
    assert.equal(nameFault(name), null);
  }
});

Deno.test("names are one where case and ways to write a letter do not count", () => {
  const one = [["A/b", "a/B"], ["\u00fc", "u\u0308"], ["\u00dc", "u\u0308"], ["STRASSE", "straße"]];
  for (const [a, b] of one) assert.equal(blindName(a!), blindName(b!));
  assert.notEqual(blindName("a"), blindName("b"));
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (name) => {
    const blind = blindName(name);
    assert.equal(blindName(name.normalize("NFC")), blind);
    assert.equal(blindName(name.normalize("NFD")), blind);
  }));
});

Deno.test("a terminal sees no character of a name that steers it or cannot be seen", () => {
  assert.equal(shownName("a\x1b[2J\u202eb\ufeffü日"), "a\\u{1b}[2J\\u{202e}b\\u{feff}ü日");
  assert.equal(shownName("x".repeat(500)).length, 200);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    assert.match(shownName(name), /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u);
  }));
});

Deno.test("a name has a folder, a top and a last part", () => {
  assert.deepEqual(["a/b/c", "a"].map(parentOf), ["a/b", ""]);
  assert.deepEqual(["a/b/c", "a"].map(topOf), ["a", "a"]);
  assert.deepEqual(["a/b/c", "a"].map(baseOf), ["c", "a"]);
});

Deno.test("an unfinished file has one name for each name", () => {
  assert.equal(temporaryName("big.iso", sha256), ".ttun-part-243e2648fca87bc627b3d9bc25e1848d");
  assert.notEqual(temporaryName("big.iso", sha256), temporaryName("big.ISO", sha256));
});
