import assert from "node:assert/strict";
import { concat, fromHex, toHex } from "../../../base/bytes.ts";
import { Reader } from "../../../base/varint.ts";
import { exactly, onlyVarint, onlyVarints, packTlv, readTlvs, Tlv } from "./tlv.ts";

const protocol = { name: "TtunError", kind: "protocol" };
const LISTS = { required: [Tlv.capabilities, Tlv.ciphers], optional: [Tlv.expected] };

function read(hex: string, o: Parameters<typeof readTlvs>[1] = LISTS): string {
  const found = readTlvs(new Reader(fromHex(hex)), o);
  return [...found].map(([type, value]) => `${type}=${toHex(value)}`).join(" ");
}

Deno.test("TLVs may come in any order, and with lengths of any size", () => {
  assert.equal(read("0101aa 0202bbcc".replaceAll(" ", "")), "1=aa 2=bbcc");
  assert.equal(read("0202bbcc0101aa"), "2=bbcc 1=aa");
  assert.equal(read("024002bbcc0180000001aa"), "2=bbcc 1=aa");
  assert.equal(read("02c000000000000002bbcc0100"), "2=bbcc 1=");
});

Deno.test("a TLV that is doubled, missing, cut or of a wrong place is refused", () => {
  const wrong: Record<string, string> = {
    doubled: "0101aa0200010100",
    "doubled with the same value": "0101aa0101aa0200",
    "the second missing": "0101aa",
    "all missing": "",
    "an optional one doubled": "010002000800 0800".replace(" ", ""),
    "of another message": "0100020005" + "10" + "00".repeat(16),
    "unknown below 80": "010002007f00",
    "the first unknown one": "010002000b00",
    "cut before its length": "01000200" + "08",
    "cut in its length": "01000200" + "0840",
    "cut in its value": "01000200" + "0802aa",
    "skipped, but cut before its length": "0100020080",
    "skipped, but cut in its value": "01000200ff02aa",
  };
  for (const [name, hex] of Object.entries(wrong)) {
    assert.throws(() => read(hex), protocol, name);
  }
});

Deno.test("no length makes a TLV reach beyond its message", () => {
  for (
    const length of ["c000000000000001", "c01fffffffffffff", "c020000000000000", "ff".repeat(8)]
  ) {
    assert.throws(() => read(`01000200${"08"}${length}`), protocol, length);
    assert.throws(() => read(`01000200${"80"}${length}`), protocol, length);
  }
});

Deno.test("types from 80 are skipped, even doubled; they take no place of a known one", () => {
  assert.equal(read("8000010101ff03020100800002" + "02bbcc"), "1=01 2=bbcc");
});

Deno.test("types from 80 that are listed are returned, required or refused like those below", () => {
  const known = { required: [Tlv.ciphers], optional: [Tlv.identity] };
  assert.equal(read("8001aa0200", known), "128=aa 2=");
  assert.equal(
    read("0200810187ff008001aa", known),
    "2= 128=aa",
    "others are skipped beside them",
  );
  assert.equal(read("0200", known), "2=");
  assert.throws(() => read("80000200" + "8000", known), protocol, "doubled");
  assert.throws(() => read("02008002aa", known), protocol, "cut");
  assert.throws(() => read("0200", { required: [Tlv.ciphers, Tlv.identity] }), protocol, "missing");
});

Deno.test("padding ends the message where it may stand, and nothing behind it is looked at", () => {
  const o = { ...LISTS, padded: true };
  assert.equal(read("0101aa020000", o), "1=aa 2=");
  assert.equal(read("0101aa020000ff01020304", o), "1=aa 2=");
  assert.throws(() => read("0101aa000200", o), protocol, "what stands behind padding is not there");
  assert.throws(() => read("0101aa020000"), protocol, "where it may not stand");
  assert.throws(() => read("0101aa02000000"), protocol, "nor as a TLV without bytes");
});

Deno.test("TLVs are views, and reading begins where the reader is", () => {
  const bytes = fromHex("eeee0101aa0200");
  const value = readTlvs(new Reader(bytes, 2), LISTS).get(Tlv.capabilities)!;
  assert.equal(value.buffer, bytes.buffer);
  assert.equal(toHex(value), "aa");
});

Deno.test("a packed TLV is read as it was", () => {
  for (const size of [0, 1, 63, 64, 16383, 16384]) {
    const value = new Uint8Array(size).fill(size);
    const bytes = concat(packTlv(Tlv.addresses, value), packTlv(Tlv.ciphers, new Uint8Array([1])));
    const found = readTlvs(new Reader(bytes), { required: [Tlv.ciphers, Tlv.addresses] });
    assert.deepEqual(found.get(Tlv.addresses), value);
  }
});

Deno.test("a value of numbers has exactly as many as it should", () => {
  assert.deepEqual(onlyVarints(fromHex("0140028000 0003".replace(" ", "")), 3), [1, 2, 3]);
  assert.equal(onlyVarint(fromHex("c01fffffffffffff")), Number.MAX_SAFE_INTEGER);
  for (const hex of ["", "40", "0102", "c020000000000000", "ffffffffffffffff", "80000000 00"]) {
    assert.throws(() => onlyVarint(fromHex(hex.replace(" ", ""))), protocol, hex);
  }
  assert.throws(() => onlyVarints(fromHex("0102"), 3), protocol);
  assert.throws(() => onlyVarints(fromHex("01020304"), 3), protocol);
});

Deno.test("a value of fixed size is neither longer nor shorter", () => {
  assert.equal(exactly(new Uint8Array(16), 16).length, 16);
  for (const size of [0, 15, 17]) assert.throws(() => exactly(new Uint8Array(size), 16), protocol);
});
