import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIp } from "../../../base/addr.ts";
import { concat, toHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { makeTarget, type Target } from "../../../base/target.ts";
import { addressSize, MAX_ADDRESS, packAddress, readAddress } from "./socks5_address.ts";
import { bytesOf } from "./socks_fixture.ts";

fc.configureGlobal({ seed: 16 });

const port = fc.integer({ min: 1, max: 65_535 });
const label = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,20}$/);
const target = fc.tuple(
  fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((text) => parseIp(text) !== null),
    fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join(".")),
  ),
  port,
).map(([host, number]) => makeTarget(host, number));

Deno.test("an address is its type, its bytes and its port", () => {
  const cases: [string, number, string][] = [
    ["192.0.2.7", 443, "01 c0000207 01bb"],
    ["2001:db8::1", 80, "04 20010db8000000000000000000000001 0050"],
    ["example.com", 65_535, '03 0b "example.com" ffff'],
  ];
  for (const [host, number, text] of cases) {
    const bytes = bytesOf(text);
    assert.equal(toHex(packAddress({ host, port: number }, 0)), toHex(bytes));
    assert.equal(addressSize(bytes, 0, bytes.length), bytes.length);
    assert.deepEqual(readAddress(bytes, 0, bytes.length), { host, port: number });
  }
});

Deno.test("what is packed is read again, wherever it stands, and the bytes before it are the caller's", () => {
  fc.assert(
    fc.property(target, fc.nat(9), fc.uint8Array({ maxLength: 9 }), (to, lead, behind) => {
      const packed = packAddress(to, lead);
      assert.deepEqual(packed.subarray(0, lead), new Uint8Array(lead));
      const bytes = concat(packed, behind);
      const size = addressSize(bytes, lead, bytes.length)!;
      assert.equal(size, packed.length - lead);
      assert.ok(size <= MAX_ADDRESS);
      assert.deepEqual(readAddress(bytes, lead, size), to);
    }),
    { numRuns: 1_000 },
  );
});

/** The bytes that tell an address's size: its type, and of a name the length behind it. */
function told(bytes: Uint8Array, have: number): number {
  if (have === 0) return 1;
  return bytes[0] === 3 && have === 1 ? 2 : bytes.length;
}

Deno.test("of an address that is cut at any place the size is told as far as its bytes tell it", () => {
  fc.assert(
    fc.property(target, fc.nat(4), fc.nat(255), (to, at, behind) => {
      const whole = packAddress(to, 0);
      const bytes = new Uint8Array(at + whole.length + 3).fill(behind);
      bytes.set(whole, at);
      for (let have = 0; have <= whole.length; have++) {
        assert.equal(addressSize(bytes, at, at + have), told(whole, have), `${have} bytes`);
      }
    }),
  );
});

Deno.test("a name that is an IPv6 address, in brackets or not, is that address; no other brackets are taken", () => {
  const read = (name: string) => {
    const bytes = bytesOf(`03 ${name.length.toString(16).padStart(2, "0")} "${name}" 0050`);
    return readAddress(bytes, 0, bytes.length).host;
  };
  assert.equal(read("[2001:DB8::1]"), "2001:db8::1");
  assert.equal(read("2001:DB8::1"), "2001:db8::1");
  for (const name of ["[a]", "[192.0.2.1]", "[::1", "[]", "[[::1]]"]) {
    assert.throws(() => read(name), ProtocolError, name);
  }
});

Deno.test("types but 1, 3 and 4 have no size", () => {
  for (let type = 0; type < 256; type++) {
    const bytes = Uint8Array.of(type, 9, ...new Array(30).fill(7));
    const wanted = ({ 1: 7, 3: 13, 4: 19 } as Record<number, number>)[type] ?? null;
    assert.equal(addressSize(bytes, 0, bytes.length), wanted, `type ${type}`);
  }
});

Deno.test("a name has up to 255 bytes, and its length byte is believed", () => {
  const longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
  assert.equal(longest.length, 255);
  const bytes = packAddress({ host: longest, port: 1 }, 0);
  assert.equal(bytes.length, MAX_ADDRESS);
  assert.equal(addressSize(bytes, 0, 2), MAX_ADDRESS);
  assert.deepEqual(readAddress(bytes, 0, bytes.length), { host: longest, port: 1 });
  for (let length = 0; length < 256; length++) {
    assert.equal(addressSize(Uint8Array.of(3, length), 0, 2), 4 + length);
  }
});

Deno.test("any bytes of a known type are a target that is packed as itself, or a ProtocolError", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 30 }),
    fc.constantFrom("[::1]", "::1", "[1.2.3.4]", "1.2", "0x7f.1", "A.Example.", "a..b", "", "\xe4"),
    label,
  ).map((text) => Uint8Array.of(3, text.length, ...new Uint8Array(Array.from(text, code))));
  const ip = fc.tuple(fc.constantFrom(1, 4), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map(([type, bytes]) => Uint8Array.of(type, ...bytes.subarray(0, type === 1 ? 4 : 16)));
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof(name, ip), fc.nat(65_535), (host, number) => {
      const bytes = Uint8Array.of(...host, number >>> 8, number);
      assert.equal(addressSize(bytes, 0, bytes.length), bytes.length);
      let found: Target;
      try {
        found = readAddress(bytes, 0, bytes.length);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
        seen.refused++;
        return;
      }
      seen.read++;
      assert.equal(found.port, number);
      const again = packAddress(found, 0);
      assert.deepEqual(readAddress(again, 0, again.length), found);
      if (bytes[0] !== 3) assert.deepEqual(again, bytes);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(seen.read > 300 && seen.refused > 300, JSON.stringify(seen));
});

function code(char: string): number {
  return char.charCodeAt(0);
}
