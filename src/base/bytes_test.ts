import assert from "node:assert/strict";
import fc from "fast-check";
import {
  concat,
  constantTimeEqual,
  fromHex,
  readU16,
  readU32,
  toHex,
  utf8,
  writeU16,
  writeU32,
} from "./bytes.ts";

const anyBytes = fc.uint8Array({ maxLength: 40 });

Deno.test("integers are big-endian and touch their own bytes alone, as in a DataView", () => {
  const u16 = fc.nat(0xffff);
  const u32 = fc.nat({ max: 0xffff_ffff });
  fc.assert(fc.property(u16, u32, fc.nat(8), (small, large, at) => {
    const bytes = new Uint8Array(16).fill(0xa5);
    const twin = new DataView(new Uint8Array(16).fill(0xa5).buffer);
    writeU16(bytes, at, small);
    writeU32(bytes, at + 3, large);
    twin.setUint16(at, small);
    twin.setUint32(at + 3, large);
    assert.deepEqual(bytes, new Uint8Array(twin.buffer));
    assert.equal(readU16(bytes, at), small);
    assert.equal(readU32(bytes, at + 3), large);
  }));
});

Deno.test("readU32() is never negative", () => {
  assert.equal(readU32(Uint8Array.of(0xff, 0xff, 0xff, 0xff), 0), 4294967295);
});

Deno.test("concat() gives all parts in order, in an array of its own", () => {
  assert.deepEqual(concat(), new Uint8Array());
  const part = Uint8Array.of(1, 2);
  const whole = concat(part, new Uint8Array(), Uint8Array.of(3));
  assert.deepEqual(whole, Uint8Array.of(1, 2, 3));
  part[0] = 9;
  assert.equal(whole[0], 1);
  const alone = concat(part);
  alone[0] = 7;
  assert.equal(part[0], 9);
});

Deno.test("utf8() encodes what is not ASCII", () => {
  assert.equal(toHex(utf8("пa€")), "d0bf61e282ac");
});

Deno.test("fromHex() reads what toHex() writes, in either case", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assert.deepEqual(fromHex(toHex(bytes)), bytes);
    assert.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes);
  }));
});

for (const text of ["0", "abc", "0g", "0x12", " 1", "1 ", "-1", "zz"]) {
  Deno.test(`fromHex() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => fromHex(text), RangeError);
  });
}

Deno.test("constantTimeEqual() is equality of bytes", () => {
  fc.assert(fc.property(anyBytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
    assert.equal(constantTimeEqual(bytes, bytes.slice()), true);
    assert.equal(constantTimeEqual(bytes, concat(bytes, Uint8Array.of(0))), false);
    if (bytes.length === 0) return;
    const other = bytes.slice();
    other[at % other.length]! ^= by;
    assert.equal(constantTimeEqual(bytes, other), false);
  }));
});
