import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp } from "../../base/addr.ts";
import { fromHex, toHex } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { meetingIdOfNumber } from "./meeting_id.ts";
import {
  bodySize,
  type EndMessage,
  MEETING_HEADER,
  packMessage,
  readEndMessage,
  readServerMessage,
  REFUSED,
  type RefusedReason,
  type ServerMessage,
} from "./messages.ts";

const END = fromHex("00112233445566778899aabbccddeeff");
const ID = fromHex("ffeeddccbbaa99887766554433221100");

/** Each message of docs/wire/meeting.md with its bytes. */
const FROM_END: [EndMessage, string][] = [
  [{ kind: "join", side: "listens", id: null, end: END }, `01 0011 00 ${toHex(END)}`],
  [{ kind: "join", side: "listens", id: ID, end: END }, `01 0021 02 ${toHex(END)} ${toHex(ID)}`],
  [{ kind: "join", side: "dials", id: ID, end: END }, `01 0021 03 ${toHex(END)} ${toHex(ID)}`],
  [{
    kind: "ready",
    roundTripMs: 35,
    address: {
      keepsPort: true,
      candidates: [{ host: "9.9.9.9", port: 54_312 }, { host: "2001:db8::1", port: 80 }],
    },
  }, "02 001e 0023 01 02 04 09090909 d428 06 20010db8000000000000000000000001 0050"],
  [{ kind: "relay" }, "03 0000"],
];

const FROM_SERVER: [ServerMessage, string][] = [
  [{ kind: "joined", number: 7, observed: null }, "11 0005 00000007 00"],
  [
    { kind: "joined", number: 0, observed: { host: "9.9.9.9", port: 1024 } },
    "11 000c 00000000 01 04 09090909 0400",
  ],
  [
    { kind: "go", waitMs: 300, address: { keepsPort: false, candidates: [] } },
    "12 0004 012c 00 00",
  ],
  [{ kind: "relayed" }, "13 0000"],
  [{ kind: "gone" }, "14 0000"],
  [{ kind: "refused", reason: "relayOff" }, "15 0001 05"],
];

const bytesOf = (hex: string) => fromHex(hex.replaceAll(" ", ""));

function read(bytes: Uint8Array): EndMessage | ServerMessage | null {
  const body = bytes.subarray(MEETING_HEADER);
  assert.equal(bodySize(bytes), body.length);
  return bytes[0]! < 0x10 ? readEndMessage(bytes[0]!, body) : readServerMessage(bytes[0]!, body);
}

Deno.test("each message has the bytes of the wire's page, and is read from them", () => {
  for (const [message, hex] of [...FROM_END, ...FROM_SERVER]) {
    assert.equal(toHex(packMessage(message)), hex.replaceAll(" ", ""));
    assert.deepEqual(read(bytesOf(hex)), message);
  }
});

Deno.test("a meeting's name follows from its number", () => {
  assert.equal(toHex(meetingIdOfNumber(1)), "9084ae522220409a267e755ce6da298a");
  assert.equal(toHex(meetingIdOfNumber(0xffff_ffff)), "7441983cbe49e01342abb89eafa9672e");
});

Deno.test("what is cut, longer, of another direction or unknown is refused; unknown from 80 is passed over", () => {
  for (const [i, [, hex]] of [...FROM_END, ...FROM_SERVER].entries()) {
    const bytes = bytesOf(hex);
    const [ours, other] = i < FROM_END.length
      ? [readEndMessage, readServerMessage]
      : [readServerMessage, readEndMessage];
    const body = bytes.subarray(MEETING_HEADER);
    for (let end = 0; end < body.length; end++) {
      assert.throws(() => ours(bytes[0]!, body.subarray(0, end)), ProtocolError);
    }
    assert.throws(() => ours(bytes[0]!, new Uint8Array([...body, 0])), ProtocolError);
    assert.throws(() => other(bytes[0]!, body), ProtocolError);
  }
  for (const readIt of [readEndMessage, readServerMessage]) {
    assert.throws(() => readIt(0x7f, new Uint8Array()), ProtocolError);
    assert.equal(readIt(0x80, new Uint8Array(9)), null);
  }
});

Deno.test("limits hold before memory is taken", () => {
  assert.throws(() => bodySize(Uint8Array.of(1, 1, 1)), ProtocolError);
  assert.throws(() => bodySize(Uint8Array.of(1, 0xff, 0xff)), ProtocolError);
  assert.equal(bodySize(Uint8Array.of(1, 1, 0)), 256);
  for (
    const hex of [
      "0000 00 09", // candidates
      "2711 00 00", // milliseconds
      "0000 00 01 05 09090909 0400", // family
    ]
  ) assert.throws(() => readEndMessage(2, bytesOf(hex)), ProtocolError);
  const number = Uint8Array.of(1, ...END); // a number for who dials
  assert.throws(() => readEndMessage(1, number), ProtocolError);
  assert.throws(() => readServerMessage(0x11, bytesOf("00000001 02")), ProtocolError);
  const nine = Array.from({ length: 9 }, () => ({ host: "9.9.9.9", port: 1 }));
  const address = { keepsPort: true, candidates: nine };
  assert.throws(() => packMessage({ kind: "go", waitMs: 0, address }), RangeError);
  const names = { keepsPort: true, candidates: [{ host: "a.example", port: 1 }] };
  assert.throws(() => packMessage({ kind: "go", waitMs: 0, address: names }), RangeError);
});

Deno.test("a reason that is not known is none", () => {
  assert.deepEqual(readServerMessage(0x15, Uint8Array.of(99)), { kind: "refused", reason: null });
  for (const reason of Object.keys(REFUSED) as RefusedReason[]) {
    const bytes = packMessage({ kind: "refused", reason });
    assert.deepEqual(read(bytes), { kind: "refused", reason });
  }
});

const PLAIN = { noNullPrototype: true };
const anyIp = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
).map(formatIp);
const anyCandidates = fc.array(
  fc.record({ host: anyIp, port: fc.integer({ min: 0, max: 65_535 }) }, PLAIN),
  { maxLength: 8 },
);
const anyAddress = fc.record(
  { keepsPort: fc.boolean(), candidates: anyCandidates },
  PLAIN,
);
const anyMs = fc.integer({ min: 0, max: 10_000 });

Deno.test("any address and time comes out as it went in", () => {
  fc.assert(fc.property(anyMs, anyAddress, (ms, address) => {
    const ready: EndMessage = { kind: "ready", roundTripMs: ms, address };
    const go: ServerMessage = { kind: "go", waitMs: ms, address };
    assert.deepEqual(read(packMessage(ready)), ready);
    assert.deepEqual(read(packMessage(go)), go);
  }));
});

Deno.test("garbage and flipped bits are read as something of that size, or refused", () => {
  const whole = (type: number, body: Uint8Array) => {
    for (const readIt of [readEndMessage, readServerMessage]) {
      let message;
      try {
        message = readIt(type, body);
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        continue;
      }
      if (message === null) assert(type >= 0x80);
      else if (message.kind !== "refused") {
        assert.equal(packMessage(message).length, MEETING_HEADER + body.length);
      }
    }
  };
  fc.assert(fc.property(fc.nat(255), fc.uint8Array({ maxLength: 256 }), whole));
  for (const [, hex] of [...FROM_END, ...FROM_SERVER]) {
    const bytes = bytesOf(hex);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      whole(flipped[0]!, flipped.subarray(MEETING_HEADER));
    }
  }
});
