import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex } from "../../src/base/bytes.ts";
import { attribute, attributes, packMessage, u32, unpackMessages } from "./netlink_message.ts";

Deno.test("netlink: a message is a header of 16 bytes and its body", () => {
  // struct nlmsghdr: length 20, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence 7, port 0
  equal(
    toHex(packMessage(18, 0x5, 7, fromHex("01020304"))),
    "14000000120005000700000000000000" + "01020304",
  );
});

Deno.test("netlink: an attribute has its length without, and its bytes with padding", () => {
  equal(toHex(attribute(3, fromHex("7474756e3000"))), "0a000300" + "7474756e3000" + "0000");
  equal(toHex(attribute(4, u32(1400))), "08000400" + "78050000");
});

Deno.test("netlink: messages of one datagram come apart at 4-byte borders", () => {
  const first = packMessage(20, 2, 9, fromHex("aabbcc"));
  const second = packMessage(3, 2, 9, fromHex("00000000"));
  const found = unpackMessages(concat(first, new Uint8Array(1), second));
  deepEqual(found.map(({ type, sequence, body }) => [type, sequence, toHex(body)]), [
    [20, 9, "aabbcc"],
    [3, 9, "00000000"],
  ]);
});

Deno.test("netlink: what is cut short, or says so of itself, is left out", () => {
  const whole = packMessage(20, 2, 9, fromHex("aabbccdd"));
  for (let length = 0; length < whole.length; length++) {
    deepEqual(unpackMessages(whole.subarray(0, length)), []);
  }
  for (const length of [0, 1, 15, 21, 0xffff_ffff]) {
    const lying = whole.slice();
    new DataView(lying.buffer).setUint32(0, length, true);
    deepEqual(unpackMessages(lying), []);
    deepEqual(unpackMessages(concat(whole, lying)).length, 1);
  }
  for (const bad of ["0300", "03000100", "00000100", "09000100aabbccdd"]) {
    equal(attributes(fromHex(bad)).size, 0, bad);
    equal(attributes(concat(attribute(7, u32(1)), fromHex(bad))).size, 1, bad);
  }
});

Deno.test("netlink: attributes that were packed are found again", () => {
  const values = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.uint8Array({ maxLength: 40 })),
    { selector: ([type]) => type },
  );
  fc.assert(fc.property(values, (list) => {
    const packed = concat(...list.map(([type, value]) => attribute(type, value)));
    deepEqual([...attributes(packed)], list.map(([type, value]) => [type, new Uint8Array(value)]));
  }));
});

Deno.test("netlink: any bytes whatever are read to an end, within their bounds", () => {
  // Also small numbers, so that many of them are taken for lengths.
  const word = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.nat(0xffff_ffff));
  const bytes = fc.tuple(fc.array(word, { maxLength: 100 }), fc.uint8Array({ maxLength: 3 }))
    .map(([words, rest]) => concat(new Uint8Array(Uint32Array.from(words).buffer), rest));
  let messages = 0;
  fc.assert(
    fc.property(bytes, (noise) => {
      const found = unpackMessages(noise);
      messages += found.length;
      const total = found.reduce((sum, { body }) => sum + 16 + body.length, 0);
      ok(total <= noise.length);
      const values = [...attributes(noise).values()];
      ok(values.every((value) => value.length <= noise.length - 4));
    }),
    { numRuns: 3000 },
  );
  ok(messages > 100, `only ${messages} of the messages were any`);
});

/** A part, padded to four bytes as everything in a netlink datagram is. */
const padded = (bytes: Uint8Array) => concat(bytes, new Uint8Array(-bytes.length & 3));

Deno.test("netlink: a datagram cut at any place gives the messages that are whole, as they were", () => {
  const message = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    body: fc.uint8Array({ maxLength: 20 }).map((body) => new Uint8Array(body)),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
      const parts = messages.map(({ type, flags, sequence, body }) =>
        packMessage(type, flags, sequence, body)
      );
      const ends: number[] = [];
      let start = 0;
      for (const part of parts) {
        ends.push(start + part.length);
        start += padded(part).length;
      }
      const bytes = concat(...parts.map(padded));
      for (let size = 0; size <= bytes.length; size++) {
        const whole = ends.filter((end) => end <= size).length;
        deepEqual(unpackMessages(bytes.subarray(0, size)), messages.slice(0, whole));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("netlink: attributes cut at any place are those that are whole, and views of the bytes", () => {
  const values = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 5 });
  fc.assert(
    fc.property(values, (list) => {
      const parts = list.map((value, type) => attribute(type + 1, value));
      const bytes = concat(...parts);
      for (let size = 0; size <= bytes.length; size++) {
        let start = 0;
        const whole = list.filter((value, i) => {
          const end = start + 4 + value.length;
          start += parts[i]!.length;
          return end <= size;
        });
        const found = attributes(bytes.subarray(0, size));
        deepEqual([...found.values()], whole.map((value) => new Uint8Array(value)));
        ok([...found.values()].every(({ buffer }) => buffer === bytes.buffer));
      }
    }),
    { numRuns: 60 },
  );
});
