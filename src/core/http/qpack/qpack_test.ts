import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { toLatin1 } from "../../../base/latin1.ts";
import { HpackError } from "../hpack/hpack_error.ts";
import { decodeQpack } from "./decoder.ts";
import { encodeQpack } from "./encoder.ts";
import { QPACK_STATIC_TABLE } from "./static_table.ts";

const LIMITS = { bytes: 65_536, fields: 256 };

function decode(block: Uint8Array): string[] {
  return decodeQpack(block, LIMITS).fields.map(({ name, value }) => `${name}: ${value}`);
}

Deno.test("the example of RFC 9204 B.1, and a block of another encoder", () => {
  assert.deepEqual(decode(fromHex("0000510b2f696e6465782e68746d6c")), [":path: /index.html"]);
  // By pylsqpack 0.3.
  const block = "0000d1d7508c44e7ad72f91d35d055d254275185607fe470135f500178ddff232ef2b12d424f4f07" +
    "76616c756520e9ff16ff175503613d62";
  const fields = [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "shop.example.test"],
    [":path", "/a?b=c"],
    ["user-agent", "x"],
    ["accept", "*/*"],
    ["x-frame-options", "sameorigin"],
    ["x-custom", "value \xe9"],
    ["content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"],
    ["early-data", "1"],
    ["cookie", "a=b"],
  ].map(([name, value]) => ({ name: name!, value: value! }));
  assert.deepEqual(decode(fromHex(block)), fields.map(({ name, value }) => `${name}: ${value}`));
  assert.deepEqual(decode(encodeQpack(fields)), decode(fromHex(block)));
});

Deno.test("each entry of the static table is one of the 99, and takes two bytes at most", () => {
  assert.equal(QPACK_STATIC_TABLE.length, 99);
  for (const [name, value] of QPACK_STATIC_TABLE) {
    const block = encodeQpack([{ name, value }]);
    assert(block.length <= 2 + 2, name);
    assert.deepEqual(decode(block), [`${name}: ${value}`]);
  }
});

Deno.test("any fields come back", () => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,40}$/);
  const value = fc.array(fc.integer({ min: 0x21, max: 0xff }).filter((it) => it !== 0x7f), {
    maxLength: 200,
  }).map((codes) => String.fromCharCode(...codes));
  fc.assert(fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (pairs) => {
    const fields = pairs.map(([name, value]) => ({ name, value }));
    const { fields: back, isTooLarge } = decodeQpack(encodeQpack(fields), LIMITS);
    assert(!isTooLarge);
    assert.deepEqual(back.map(({ name, value }) => ({ name, value })), fields);
    assert(back.every(({ isValid }) => isValid));
  }));
});

Deno.test("what refers to a dynamic table, or is cut short, is an error; garbage is one or the other", () => {
  // An insert count, an index behind the base, and names of the dynamic table.
  for (const hex of ["0200", "000010", "000080", "000040", "000000", "0000", "00", "0000ff24"]) {
    const isWhole = hex === "0000"; // a message without fields
    if (isWhole) assert.deepEqual(decode(fromHex(hex)), []);
    else assert.throws(() => decode(fromHex(hex)), HpackError, hex);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
    try {
      decodeQpack(concat(fromHex("0000"), garbage), LIMITS);
    } catch (error) {
      assert(error instanceof HpackError, toHex(garbage));
    }
  }));
});

Deno.test("a list that is too large is said to be so, and only its beginning is kept", () => {
  const fields = Array.from({ length: 300 }, (_, i) => ({ name: `x-${i}`, value: "a" }));
  const many = decodeQpack(encodeQpack(fields), LIMITS);
  assert.deepEqual([many.isTooLarge, many.fields.length], [true, 256]);
  const long = [{ name: "x", value: "a".repeat(70_000) }, { name: "y", value: "b" }];
  assert.deepEqual(decodeQpack(encodeQpack(long), LIMITS).isTooLarge, true);
});

Deno.test("capitals and control characters are marked", () => {
  const literal = (name: string, value: string) =>
    concat(
      fromHex("0000"),
      Uint8Array.of(0x20 | name.length),
      utf8(name),
      toLatin1(
        String.fromCharCode(value.length) + value,
      ),
    );
  const isValid = (name: string, value: string) =>
    decodeQpack(literal(name, value), LIMITS).fields[0]!.isValid;
  assert(isValid("x-a", "b"));
  assert(!isValid("X-a", "b"));
  assert(!isValid("x-a", "b\r\n"));
  assert(!isValid("x-a", " b"));
});
