import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varintSize, writeVarint } from "../../../base/varint.ts";
import { onlyVarints, packTlv, readTlvs, Tlv, type TlvMap } from "./tlv.ts";

fc.configureGlobal({ seed: 15 });

const LISTS = { required: [Tlv.capabilities, Tlv.ciphers], optional: [Tlv.expected, 0x90] };
const LISTED = [...LISTS.required, ...LISTS.optional];

/** The map, or null for a ProtocolError; any other error fails the test. */
function read(bytes: Uint8Array, padded: boolean, at = 0): TlvMap | null {
  try {
    return readTlvs(new Reader(bytes, at), { ...LISTS, padded });
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return null;
  }
}

/** A second reading of docs/wire/link-v2.md, "Handshake", with BigInt. */
function wanted(bytes: readonly number[], padded: boolean): Map<number, number[]> | null {
  const found = new Map<number, number[]>();
  let rest = bytes;
  while (rest.length > 0 && !(padded && rest[0] === 0)) {
    const [type, first] = rest as [number, number | undefined];
    if (first === undefined) return null;
    const size = [1, 2, 4, 8][first >>> 6]!;
    if (rest.length < 1 + size) return null;
    const digits = rest.slice(1, 1 + size).map((byte) => byte.toString(16).padStart(2, "0"));
    const length = BigInt.asUintN(8 * size - 2, BigInt(`0x${digits.join("")}`));
    if (BigInt(rest.length) < 1n + BigInt(size) + length) return null;
    const end = 1 + size + Number(length);
    if (LISTED.includes(type) ? found.has(type) : type < 0x80) return null;
    if (LISTED.includes(type)) found.set(type, rest.slice(1 + size, end));
    rest = rest.slice(end);
  }
  return LISTS.required.every((type) => found.has(type)) ? found : null;
}

function assertRead(bytes: Uint8Array, padded: boolean): boolean {
  const expected = wanted([...bytes], padded);
  const found = read(bytes, padded);
  assert.deepEqual(
    found === null ? null : [...found].map(([type, value]) => [type, [...value]]),
    expected === null ? null : [...expected],
  );
  return found !== null;
}

/** A TLV whose length is written in any of the sizes that hold it. */
const tlv = (type: fc.Arbitrary<number>) =>
  fc.tuple(type, fc.uint8Array({ maxLength: 70 }), fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8))
    .map(([type, value, size]) => {
      const least = varintSize(value.length);
      const head = new Uint8Array(9);
      head[0] = type;
      const end = writeVarint(head, 1, value.length, size < least ? least : size);
      return { type, value, bytes: concat(head.subarray(0, end), value) };
    });
const skipped = tlv(fc.integer({ min: 0x80, max: 0xff }).filter((type) => type !== 0x90));
const message = fc.tuple(
  tlv(fc.constant(Tlv.capabilities)),
  tlv(fc.constant(Tlv.ciphers)),
  fc.option(tlv(fc.constantFrom(Tlv.expected, 0x90))),
  fc.array(skipped, { maxLength: 3 }),
).chain(([one, two, optional, others]) => {
  const all = [one, two, ...(optional === null ? [] : [optional]), ...others];
  return fc.shuffledSubarray(all, { minLength: all.length });
});

Deno.test("TLVs in any order and with lengths of any size are read as they were written, and no others", () => {
  fc.assert(
    fc.property(message, fc.nat(5), fc.uint8Array({ maxLength: 9 }), (tlvs, at, padding) => {
      const listed = tlvs.filter(({ type }) => LISTED.includes(type))
        .map(({ type, value }) => [type, new Uint8Array(value)]);
      const bytes = concat(new Uint8Array(at).fill(0xee), ...tlvs.map(({ bytes }) => bytes));
      assert.deepEqual([...read(bytes, false, at)!], listed);
      assert.deepEqual([...read(concat(bytes, Uint8Array.of(0), padding), true, at)!], listed);
    }),
    { numRuns: 500 },
  );
});

Deno.test("cut at any place a message is refused, or is the TLVs that are whole", () => {
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(message, fc.boolean(), (tlvs, padded) => {
      const bytes = concat(...tlvs.map(({ bytes }) => bytes));
      for (let size = 0; size <= bytes.length; size++) {
        seen[assertRead(bytes.subarray(0, size), padded) ? "read" : "refused"]++;
      }
    }),
    { numRuns: 40 },
  );
  assert.ok(seen.read > 40 && seen.refused > 300, JSON.stringify(seen));
});

Deno.test("any bytes whatever are read as by a second reading, or refused by a ProtocolError", () => {
  const small = fc.oneof({ weight: 4, arbitrary: fc.nat(9) }, {
    arbitrary: fc.nat(255),
    weight: 1,
  });
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(small, { maxLength: 40 }).map((bytes) => Uint8Array.from(bytes)),
  );
  const damaged = fc.tuple(message, fc.array(fc.tuple(fc.nat(), small), { maxLength: 3 })).map(
    ([tlvs, changes]) => {
      const bytes = concat(...tlvs.map(({ bytes }) => bytes));
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      return bytes;
    },
  );
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof(noise, damaged), fc.boolean(), (bytes, padded) => {
      seen[assertRead(bytes, padded) ? "read" : "refused"]++;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(seen.read > 200 && seen.refused > 200, JSON.stringify(seen));
});

Deno.test("a packed TLV has the shortest length, and any value of up to 64 KB comes back", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(65_535), (type, size) => {
      const bytes = packTlv(type, new Uint8Array(size).fill(7));
      assert.equal(bytes.length, 1 + varintSize(size) + size);
      const found = readTlvs(new Reader(bytes), { required: [type] });
      assert.deepEqual([...found], [[type, new Uint8Array(size).fill(7)]]);
    }),
    { numRuns: 50 },
  );
});

Deno.test("numbers of a value are as many as are wanted, wherever it is cut", () => {
  const numbers = fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(fc.property(numbers, (values) => {
    const parts = values.map((value) => {
      const bytes = new Uint8Array(varintSize(value));
      writeVarint(bytes, 0, value);
      return bytes;
    });
    const bytes = concat(...parts);
    assert.deepEqual(onlyVarints(bytes, values.length), values);
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => onlyVarints(bytes.subarray(0, size), values.length), ProtocolError);
    }
    assert.throws(() => onlyVarints(concat(bytes, Uint8Array.of(0)), values.length), ProtocolError);
  }));
});
