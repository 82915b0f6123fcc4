import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import {
  DATA_HEADER,
  LONGEST_BODY,
  LONGEST_MESSAGE,
  type Message,
  MessageBuffer,
  packMessage,
  writeDataHeader,
} from "./messages.ts";

const HASH = "ab".repeat(32);

/** Known answers, from docs/wire/transfer.md. */
const KNOWN: [Message, string][] = [
  [{ kind: "hello", version: 1, role: "sends" }, "00 02 01 00"],
  [{ kind: "hello", version: 1, role: "receives" }, "00 02 01 01"],
  [{ kind: "announce", entries: 3, bytes: 70_000 }, "01 05 03 80011170"],
  [{ kind: "entries", body: fromHex("0102") }, "02 02 0102"],
  [{ kind: "begin", index: 2, piece: 64 }, "03 03 02 4040"],
  [{ kind: "data", bytes: utf8("hello") }, "04 80000005 68656c6c6f"],
  [{ kind: "piece", hash: fromHex(HASH) }, `05 20 ${HASH}`],
  [{ kind: "end", hash: fromHex(HASH) }, `06 20 ${HASH}`],
  [{ kind: "failed", index: 7, failure: 1 }, "07 02 07 01"],
  [{ kind: "done" }, "08 00"],
  [{ kind: "accept" }, "10 00"],
  [{ kind: "want", index: 1, pieces: 5, compares: true }, "11 03 01 05 01"],
  [{ kind: "hashes", hashes: fromHex(HASH + HASH) }, `12 4040 ${HASH}${HASH}`],
  [{ kind: "skip", index: 16_384 }, "13 04 80004000"],
  [{ kind: "verdict", complete: 10, missing: 0 }, "14 02 0a 00"],
  [{ kind: "refuse", words: "no room" }, "20 07 6e6f20726f6f6d"],
];

function pack(message: Message): Uint8Array {
  if (message.kind !== "data") return packMessage(message);
  const { bytes } = message;
  const head = new Uint8Array(DATA_HEADER);
  writeDataHeader(head, bytes.length);
  return concat(head, bytes);
}

/** Messages of bytes that come in pieces of these sizes; views are copied. */
function readAll(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Message[] {
  const buffer = new MessageBuffer(2 * LONGEST_MESSAGE);
  const messages: Message[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const room = buffer.room();
    const size = Math.min(
      Math.max(1, sizes[i % sizes.length] ?? 1),
      room.length,
      bytes.length - at,
    );
    room.set(bytes.subarray(at, at + size));
    buffer.filled(size);
    at += size;
    for (let message; (message = buffer.next()) !== null;) messages.push(structuredClone(message));
  }
  return messages;
}

Deno.test("each message is on the wire as the page says, and is read again, however it is split", () => {
  for (const [message, hex] of KNOWN) {
    assert.equal(toHex(pack(message)), hex.replaceAll(" ", ""), message.kind);
  }
  const all = concat(...KNOWN.map(([message]) => pack(message)));
  const messages = KNOWN.map(([message]) => message);
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
    assert.deepEqual(readAll(all, sizes), messages);
  }));
});

Deno.test("the largest data is read, with others around it", () => {
  const data: Message = { kind: "data", bytes: new Uint8Array(LONGEST_BODY).fill(7) };
  const messages: Message[] = [data, { kind: "done" }, data, data, { kind: "done" }];
  const bytes = concat(...messages.map(pack));
  assert.deepEqual(readAll(bytes, [1000]), messages);
  assert.deepEqual(readAll(bytes, [100_000, 1]), messages);
});

Deno.test("a message that is longer than it may be is refused before its bytes come", () => {
  const refused = (hex: string) => assert.throws(() => readAll(fromHex(hex)), { kind: "protocol" });
  refused("0480010001"); // 65 537 bytes of data
  refused("04ffffffffffffffff");
  refused("0400");
  refused("0801ff");
  refused("000101");
  refused("00020102");
  refused("110301050200");
  refused("1103010502");
  refused("12210" + "0".repeat(67));
  refused("07020702");
  refused("20" + "4401" + "20".repeat(1025));
  refused("0900");
  refused("0103ffffff");
});

Deno.test("bytes of any kind are messages, or refused with words", () => {
  const known = fc.constantFrom(...KNOWN.map(([message]) => pack(message)));
  const some = fc.array(fc.oneof(known, fc.uint8Array({ maxLength: 60 })), { maxLength: 8 });
  fc.assert(fc.property(some, (parts) => {
    try {
      readAll(concat(...parts));
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
    }
  }));
});

Deno.test("words for the user are cut at a character's end", () => {
  const [message] = readAll(packMessage({ kind: "refuse", words: "ü".repeat(2000) }));
  assert.deepEqual(message, { kind: "refuse", words: "ü".repeat(512) });
});

Deno.test("a refusal is found behind other messages, which stay", () => {
  const buffer = new MessageBuffer();
  const give = (bytes: Uint8Array) => {
    buffer.room().set(bytes);
    buffer.filled(bytes.length);
  };
  give(packMessage({ kind: "skip", index: 1 }));
  assert.equal(buffer.refusal(), null);
  const refusal = packMessage({ kind: "refuse", words: "no room" });
  give(refusal.subarray(0, 5));
  assert.equal(buffer.refusal(), null);
  give(refusal.subarray(5));
  assert.equal(buffer.refusal(), "no room");
  assert.deepEqual(buffer.next(), { kind: "skip", index: 1 });
});
