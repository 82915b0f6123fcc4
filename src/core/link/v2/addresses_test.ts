import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, formatCidr, parseCidr } from "../../../base/addr.ts";
import { concat, toHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader } from "../../../base/varint.ts";
import {
  isAcceptable,
  MOST_ADDRESSES,
  packAddresses,
  readAddresses,
  readAddressList,
} from "./addresses.ts";

fc.configureGlobal({ seed: 13 });

const pack = (...texts: string[]) => packAddresses(texts.map(parseCidr));
const read = (bytes: Uint8Array) => readAddresses(bytes).map(formatCidr);

function refused(bytes: Uint8Array, why: string): void {
  assert.throws(() => readAddresses(bytes), ProtocolError, why);
}

Deno.test("addresses are family, address and prefix length, one behind the other", () => {
  assert.equal(toHex(pack("10.8.0.2/24")), "04" + "0a080002" + "18");
  assert.equal(toHex(pack("fd00:8::2/64")), "06" + "fd000008" + "00".repeat(11) + "02" + "40");
  assert.equal(toHex(pack("10.8.0.2/24", "10.8.0.3/32")), "040a08000218" + "040a08000320");
  assert.equal(toHex(pack()), "");
});

Deno.test("what is packed is read as it was", () => {
  const host4 = fc.tuple(
    fc.integer({ min: 1, max: 126 }),
    fc.uint8Array({ minLength: 3, maxLength: 3 }),
  )
    .map(([first, others]) => Uint8Array.of(first, ...others));
  const address4 = fc.tuple(host4, fc.integer({ min: 8, max: 32 }))
    .map(([bytes, prefix]): Cidr => ({ family: 4, bytes, prefix }));
  const host6 = fc.tuple(
    fc.integer({ min: 1, max: 0xfd }),
    fc.uint8Array({ minLength: 15, maxLength: 15 }),
  )
    .map(([first, others]) => Uint8Array.of(first, ...others));
  const address6 = fc.tuple(host6, fc.integer({ min: 32, max: 128 }))
    .map(([bytes, prefix]): Cidr => ({ family: 6, bytes, prefix }));
  fc.assert(
    fc.property(fc.array(fc.oneof(address4, address6), { maxLength: 8 }), (addresses) => {
      assert.deepEqual(readAddresses(packAddresses(addresses)), addresses);
    }),
    { numRuns: 500 },
  );
});

Deno.test("what is read is a copy, wherever it lay", () => {
  const value = concat(Uint8Array.of(9, 9), pack("10.8.0.2/24", "fd00::2/64")).subarray(2);
  const found = readAddresses(value);
  value.fill(0);
  assert.deepEqual(found.map(formatCidr), ["10.8.0.2/24", "fd00::2/64"]);
});

Deno.test("prefix lengths: from 8 to 32 for IPv4, from 32 to 128 for IPv6, and no others", () => {
  for (let prefix = 0; prefix < 256; prefix++) {
    const four = Uint8Array.of(4, 10, 8, 0, 2, prefix);
    if (prefix >= 8 && prefix <= 32) assert.deepEqual(read(four), [`10.8.0.2/${prefix}`]);
    else refused(four, `IPv4 /${prefix}`);
    const six = concat(pack("fd00::2/64").slice(0, -1), Uint8Array.of(prefix));
    if (prefix >= 32 && prefix <= 128) assert.deepEqual(read(six), [`fd00::2/${prefix}`]);
    else refused(six, `IPv6 /${prefix}`);
  }
});

Deno.test("families but 4 and 6 are refused", () => {
  for (let family = 0; family < 256; family++) {
    if (family === 4 || family === 6) continue;
    refused(concat(Uint8Array.of(family), new Uint8Array(17).fill(32)), `family ${family}`);
  }
});

Deno.test("what is cut short is refused, wherever it is cut", () => {
  const whole = pack("10.8.0.2/24", "fd00::2/64");
  for (let size = 1; size < whole.length; size++) {
    if (size !== 6) refused(whole.slice(0, size), `${size} bytes`);
  }
  refused(concat(whole, Uint8Array.of(4)), "a byte more");
  assert.deepEqual(read(whole.slice(0, 6)), ["10.8.0.2/24"]);
});

Deno.test("an address that no machine may have is refused", () => {
  const wrong = [
    ...["0.0.0.0/24", "0.1.2.3/24", "127.0.0.1/24", "127.255.255.254/8", "169.254.0.1/16"],
    ...["169.254.255.255/24", "224.0.0.1/24", "239.1.2.3/24", "240.0.0.1/24", "255.255.255.255/32"],
    ...[
      "::/64",
      "::1/128",
      "::ffff:127.0.0.1/128",
      "1::/32",
      "ff02::1/64",
      "ff0e::1/64",
      "fe80::1/64",
      "febf::1/64",
    ],
  ];
  for (const text of wrong) {
    refused(pack(text), text);
    refused(pack("10.8.0.2/24", text), `${text} as the second`);
  }
});

Deno.test("any other address is taken", () => {
  const right = [
    ...["1.0.0.1/24", "10.1.1.2/30", "100.64.0.1/10", "126.255.255.254/8", "128.0.0.1/24"],
    ...["169.253.0.1/16", "169.255.0.1/16", "172.16.0.1/12", "192.168.1.2/24", "223.255.255.1/24"],
    ...["fc11::2/126", "fd00::2/64", "2001:db8::1/32", "fe00::1/64", "100::1/32", "fdff::ff/128"],
  ];
  for (const text of right) assert.deepEqual(read(pack(text)), [text]);
});

Deno.test("eight addresses are taken, nine are not; none is none", () => {
  const texts = Array.from({ length: 9 }, (_, i) => `10.8.0.${i + 2}/24`);
  assert.deepEqual(read(pack(...texts.slice(0, 8))), texts.slice(0, 8));
  refused(pack(...texts), "nine");
  refused(pack(...texts, ...texts), "eighteen");
  assert.deepEqual(read(new Uint8Array(0)), []);
});

Deno.test("a refusal says what is wrong, in words", () => {
  assert.throws(() => readAddresses(Uint8Array.of(5, 0, 0, 0, 0, 24)), /family 5/);
  assert.throws(() => readAddresses(pack("127.0.0.1/8")), /127\.0\.0\.1\/8/);
  assert.throws(() => readAddresses(Uint8Array.of(4, 10, 8, 0, 2, 33)), /10\.8\.0\.2\/33/);
});

Deno.test("whatever the bytes are, they are sound addresses or refused by a ProtocolError", () => {
  const tally = { read: 0, refused: 0 };
  const one = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom("10.8.0.2/24", "fd00::2/64", "127.0.0.1/8", "ff02::1/64").map((t) => pack(t)),
    fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 6, max: 34 }))
      .map(([bytes, prefix]) => Uint8Array.of(4, ...bytes, prefix)),
  );
  fc.assert(
    fc.property(fc.array(one, { maxLength: 3 }), (parts) => {
      const bytes = concat(...parts);
      let found: Cidr[];
      try {
        found = readAddresses(bytes);
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        tally.refused++;
        return;
      }
      tally.read++;
      assert.deepEqual(packAddresses(found), bytes);
      for (const { family, bytes, prefix } of found) {
        assert.equal(bytes.length, family === 4 ? 4 : 16);
        assert(prefix >= (family === 4 ? 8 : 32) && prefix <= bytes.length * 8);
      }
    }),
    { numRuns: 3_000 },
  );
  assert(tally.read > 300 && tally.refused > 300, JSON.stringify(tally));
});

/** Any address with any prefix that it can have: also those that no client takes. */
const anyAddress = fc.constantFrom<4 | 6>(4, 6).chain((family) => {
  const size = family === 4 ? 4 : 16;
  return fc.record({
    family: fc.constant(family),
    bytes: fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) =>
      new Uint8Array(bytes)
    ),
    prefix: fc.nat(8 * size),
  }, { noNullPrototype: true });
});

Deno.test("a list is read from where its reader is, whatever its addresses are for, and cut is refused", () => {
  fc.assert(
    fc.property(fc.array(anyAddress, { maxLength: MOST_ADDRESSES }), fc.nat(4), (list, at) => {
      const bytes = concat(new Uint8Array(at).fill(0xee), packAddresses(list));
      assert.deepEqual(readAddressList(new Reader(bytes, at)), list);
      let border = at; // a cut between two addresses leaves a shorter list
      for (let end = at; end < bytes.length; end++) {
        const cut = () => readAddressList(new Reader(bytes.subarray(0, end), at));
        if (end !== border) assert.throws(cut, ProtocolError, `${end} bytes`);
        else border += 2 + (list[cut().length]!.family === 4 ? 4 : 16);
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("a client takes a list where each of its addresses is acceptable, and no other", () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(fc.array(anyAddress, { maxLength: 2 }), (list) => {
      const bytes = packAddresses(list);
      if (list.every(isAcceptable)) {
        assert.deepEqual(readAddresses(bytes), list);
        seen.taken++;
      } else {
        refused(bytes, "one of them");
        seen.refused++;
      }
    }),
    { numRuns: 500 },
  );
  assert(seen.taken > 50 && seen.refused > 50, JSON.stringify(seen));
});
