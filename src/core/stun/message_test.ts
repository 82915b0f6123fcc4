import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { answerStun, packBindingRequest, readBindingResponse, stunSize } from "./message.ts";

const TRANSACTION = fromHex("b7e7a701bc34d686fa87dfae");

/** Answers of RFC 5769, sections 2.2 and 2.3. */
const SAMPLES = [
  [
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643" +
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    { host: "192.0.2.1", port: 32853 },
  ],
  [
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa" +
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    { host: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 },
  ],
] as const;

Deno.test("answers of RFC 5769 are read", () => {
  for (const [hex, expected] of SAMPLES) {
    const message = fromHex(hex);
    assert.equal(stunSize(message.subarray(0, 20)), message.length);
    assert.deepEqual(readBindingResponse(message, TRANSACTION), expected);
  }
});

Deno.test("a request is answered with where it came from, whatever optional things are in it", () => {
  const request = packBindingRequest(TRANSACTION);
  assert.deepEqual(request, fromHex("000100002112a442b7e7a701bc34d686fa87dfae"));
  for (const [, from] of SAMPLES) {
    const answer = answerStun(request, from)!;
    assert.equal(stunSize(answer.subarray(0, 20)), answer.length);
    assert.deepEqual(readBindingResponse(answer, TRANSACTION), from);
  }
  const named = fromHex("000100082112a442b7e7a701bc34d686fa87dfae8022000174000000");
  assert.deepEqual(
    readBindingResponse(answerStun(named, SAMPLES[0][1])!, TRANSACTION),
    SAMPLES[0][1],
  );
});

Deno.test("what must be understood and is not is named; what is no request has no answer", () => {
  const asking = fromHex("000100082112a442b7e7a701bc34d686fa87dfae0003000400000006");
  const answer = answerStun(asking, SAMPLES[0][1])!;
  const refused = "011100102112a442b7e7a701bc34d686fa87dfae0009000400000414000a000200030000";
  assert.deepEqual(answer, fromHex(refused));
  assert.throws(() => readBindingResponse(answer, TRANSACTION), /has refused/);
  assert.equal(answerStun(answer, SAMPLES[0][1]), null);
});

Deno.test("an answer to another question is refused, and so is every flipped bit of the head", () => {
  const message = fromHex(SAMPLES[0][0]);
  const other = TRANSACTION.map((byte) => byte ^ 1);
  assert.throws(() => readBindingResponse(message, other), ProtocolError);
  for (let bit = 0; bit < 160; bit++) {
    const changed = message.slice();
    changed[bit >>> 3]! ^= 1 << (bit & 7);
    const read = () => {
      const size = stunSize(changed.subarray(0, 20));
      if (size !== changed.length) throw new ProtocolError("cut");
      return readBindingResponse(changed, TRANSACTION);
    };
    assert.throws(read, ProtocolError, `bit ${bit}`);
  }
});

Deno.test("whatever comes is read, answered or refused with words", () => {
  const bytes = fc.uint8Array({ minLength: 20, maxLength: 200 });
  const beginnings = fc.constantFrom("00010000", "01010000", "");
  fc.assert(fc.property(bytes, beginnings, fc.boolean(), (random, type, hasCookie) => {
    const message = random.slice();
    if (type !== "") message.set(fromHex(type));
    message[3] = message.length - 20 & 0xff;
    if (hasCookie) message.set(fromHex("2112a442"), 4);
    for (
      const use of [
        () => stunSize(message),
        () => answerStun(message, SAMPLES[0][1]),
        () => readBindingResponse(message, TRANSACTION),
      ]
    ) {
      try {
        use();
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  }));
});
