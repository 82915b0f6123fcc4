import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { oneLine, utf8Text } from "./text_bytes.ts";

const read = (bytes: Uint8Array) => Buffer.from(utf8Text(bytes, 'list "x"')).toString();

function swapped(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (_, i) => bytes[i ^ 1]!);
}

Deno.test("byte order marks before a text are dropped, and stay everywhere else", () => {
  for (
    const [text, wanted] of [
      ["", ""],
      ["\ufeff", ""],
      ["\ufeff\ufeffa\ufeff\nb", "a\ufeff\nb"],
      ["a\ufeff", "a\ufeff"],
    ] as const
  ) {
    assert.equal(read(utf8(text)), wanted);
  }
  assert.deepEqual(utf8Text(Uint8Array.of(0xef, 0xbb), "x"), Uint8Array.of(0xef, 0xbb));
});

Deno.test("UTF-16 and UTF-32 of either byte order are refused, with and without a mark", () => {
  const little = Buffer.from("\ufeffexample.net # Büro\r\n", "utf16le");
  const utf32 = Uint8Array.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0);
  for (const bytes of [little, little.subarray(2), Uint8Array.of(0xff, 0xfe), utf32]) {
    assert.throws(() => read(bytes), {
      kind: "usage",
      message: /^Cannot use list "x": it is UTF-16/,
    });
  }
  for (const bytes of [little, little.subarray(2)]) {
    assert.throws(() => read(swapped(bytes)), { kind: "usage" });
  }
});

Deno.test("every text in UTF-8 is read as it is, NUL and all", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    fc.pre(!text.startsWith("\ufeff") && !text.includes("\0"));
    assert.deepEqual(utf8Text(utf8(text), "x"), utf8(text));
  }));
  assert.equal(read(utf8("ab\0\0cdefgh")), "ab\0\0cdefgh");
});

Deno.test("one line loses its line end, of whichever system, and no more", () => {
  for (const end of ["", "\n", "\r\n", "\r"]) {
    assert.deepEqual(oneLine(utf8(`\ufeff key \n${end}`)), utf8(end === "" ? " key " : " key \n"));
    assert.deepEqual(oneLine(utf8(`key${end}`)), utf8("key"));
  }
  assert.deepEqual(oneLine(utf8("\r")), utf8(""));
  assert.deepEqual(oneLine(utf8("\n\r\n")), utf8("\n"));
});
