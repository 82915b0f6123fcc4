import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCidr, parseCidr } from "../../../base/addr.ts";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { isClientName, toClientName } from "./client_name.ts";
import { clientId, packIdentity, readIdentity } from "./identity.ts";

const ID = "000102030405060708090a0b0c0d0e0f";
const LAPTOP = "06" + "6c6170746f70";

Deno.test("an identity has the bytes that the page says, and is read again", () => {
  const wishes = ["10.9.0.77/24", "fd00:9::4d/64"].map(parseCidr);
  const whole = { id: fromHex(ID), name: "laptop", wishes };
  const hex = `10${ID}${LAPTOP}040a09004d1806fd00000900000000000000000000004d40`;
  assert.equal(toHex(packIdentity(whole)), hex);
  assert.deepEqual(readIdentity(fromHex(hex)), whole);
  const nothing = { id: null, name: "", wishes: [] };
  assert.equal(toHex(packIdentity(nothing)), "0000");
  assert.deepEqual(readIdentity(fromHex("0000")), nothing);
});

Deno.test("what is cut, of a wrong size, or no name is refused", () => {
  const wrong: Record<string, string> = {
    "nothing": "",
    "no name behind it": `10${ID}`,
    "an id of 15 bytes": `0f${ID.slice(2)}00`,
    "an id of 17 bytes": `11${ID}0000`,
    "a cut id": `10${ID.slice(2)}`,
    "a cut name": `00066c61`,
    "a name with a control character": "00036c1b70",
    "a name with a line feed": "00036c0a70",
    "a name in capitals": "00034c4150",
    "a name that begins with a dash": "00022d61",
    "a name that is not ASCII": "0002c3a4",
    "a name of 64 bytes": `0040${"61".repeat(64)}`,
    "a family that is none": "00000501020304" + "18",
    "a prefix of 33 bits": "0000040a00000121",
    "a cut address": "0000040a0000",
    "nine wishes": "0000" + "040a09000218".repeat(9),
  };
  for (const [name, hex] of Object.entries(wrong)) {
    assert.throws(() => readIdentity(fromHex(hex)), ProtocolError, name);
  }
  assert.equal(readIdentity(fromHex(`003f${"61".repeat(63)}`)).name, "a".repeat(63));
  assert.equal(readIdentity(fromHex("0000" + "040a09000218".repeat(8))).wishes.length, 8);
});

Deno.test("garbage is refused or read, never more; every bit of an identity counts", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 90 }), (bytes) => {
    try {
      assert.deepEqual(packIdentity(readIdentity(bytes)).length <= bytes.length, true);
    } catch (error) {
      assert(error instanceof ProtocolError);
    }
  }));
  const bytes = fromHex(`10${ID}${LAPTOP}040a09004d18`);
  const whole = readIdentity(bytes);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    try {
      assert.notDeepEqual(readIdentity(flipped), whole, `bit ${bit}`);
    } catch (error) {
      assert(error instanceof ProtocolError, String(error));
    }
  }
});

Deno.test("wishes that no server can grant stay at home, and so do all after the eighth", () => {
  const texts = ["127.0.0.1/8", "10.9.0.2/24", "169.254.1.1/16", "fe80::1/64", "0.0.0.0/0"];
  const read = (wishes: string[]) =>
    readIdentity(packIdentity({ id: null, name: "", wishes: wishes.map(parseCidr) })).wishes
      .map(formatCidr);
  assert.deepEqual(read(texts), ["10.9.0.2/24"]);
  const many = Array.from({ length: 12 }, (_, i) => `10.9.0.${i + 2}/24`);
  assert.deepEqual(read(many), many.slice(0, 8));
});

Deno.test("host names become names that a client may have", () => {
  for (
    const [host, name] of [
      ["laptop", "laptop"],
      ["Bob's MacBook", "bob-s-macbook"],
      ["a.example.org", "a.example.org"],
      ["-x", "x"],
      ["\u001b[31mred", "31mred"],
      ["日本", ""],
      ["", ""],
      ["a".repeat(80), "a".repeat(63)],
    ] as const
  ) {
    assert.equal(toClientName(host), name);
    assert.equal(name === "" || isClientName(name), true);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    const name = toClientName(text);
    assert(name === "" || isClientName(name));
  }));
});

Deno.test("a client's id is another one for each key, each name, and each that keeps it", () => {
  const [kept, other] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const ids = [
    clientId(kept, kept, ""),
    clientId(other, kept, ""),
    clientId(kept, other, ""),
    clientId(kept, kept, "a"),
    clientId(kept, kept, "b"),
  ].map(toHex);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.map(({ length }) => length), ids.map(() => 32));
  assert.deepEqual(clientId(kept, kept, "a"), fromHex(ids[3]!), "and the same one each time");
});
