import assert from "node:assert/strict";
import fc from "fast-check";
import { SAMPLE_FRAMES, SAMPLE_RECORD } from "../../../../tests/fake/mesh_frames.ts";
import { concat, fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { varint } from "../../../base/varint.ts";
import type { Frame } from "../frame.ts";
import { encodeContent, encodeFrame, readContent, TYPES } from "./frame_codec.ts";
import { FrameReader, MAX_BULK_FRAME, MAX_FRAME } from "./frame_reader.ts";

function readAll(bytes: Uint8Array, sizes: readonly number[], most = MAX_BULK_FRAME): Frame[] {
  const reader = new FrameReader(most);
  const found: Frame[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const part = bytes.subarray(at, at + sizes[turn % sizes.length]!);
    found.push(...reader.feed(part));
    at += part.length;
  }
  assert.ok(reader.isAtRest);
  return found;
}

/** Reads it, or fails as a broken frame does. */
function tryRead(bytes: Uint8Array): Frame[] | null {
  try {
    return new FrameReader(MAX_FRAME).feed(bytes);
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return null;
  }
}

Deno.test("every type is among the samples, and is read as it was written", () => {
  assert.deepEqual(
    [...new Set(SAMPLE_FRAMES.map(({ type }) => type))].sort(),
    Object.keys(TYPES).sort(),
  );
  for (const frame of SAMPLE_FRAMES) {
    assert.deepEqual(readAll(encodeFrame(frame), [1e6]), [frame], frame.type);
  }
});

Deno.test("known bytes", () => {
  const rows: [Frame, string][] = [
    [{ type: "bye", request: 0, words: "so" }, "06" + "3800" + "01" + "02" + "736f"],
    [
      { type: "error", request: 300, code: "skew", words: "" },
      "06" + "03412c" + "01" + "01" + "03",
    ],
    [
      { type: "next", request: 5, position: 1n, isProbe: true },
      "16" + "1205" + "0110" + "00".repeat(15) + "01" + "0200",
    ],
    [
      { type: "event", request: 0, record: SAMPLE_RECORD },
      "35" + "2600" + "0131" + "02" + "00".repeat(8) + "0123456789abcdef" + "fffffffffffffffe" +
      "c000018bcfe56800" + "06" + toHex(utf8("kv/app")) + "05" + toHex(utf8("a/b.c")) + "010203",
    ],
    [
      {
        type: "answer",
        request: 1,
        state: "leaving",
        stamp: 60,
        body: { to: "digest", counts: [null, 2] },
      },
      "11" + "0201" + "010102" + "02013c" + "030122" + "0404" + "01020003",
    ],
  ];
  for (const [frame, bytes] of rows) {
    assert.equal(toHex(encodeFrame(frame)), bytes);
    assert.deepEqual(readAll(fromHex(bytes), [1e6]), [frame]);
  }
});

Deno.test("frames are read alike however the stream is cut", () => {
  const wire = concat(...SAMPLE_FRAMES.map(encodeFrame));
  for (const sizes of [[1], [2], [3, 1], [7], [64, 1], [1000]]) {
    assert.deepEqual(readAll(wire, sizes), SAMPLE_FRAMES);
  }
  for (const frame of SAMPLE_FRAMES) {
    const bytes = encodeFrame(frame);
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(readAll(bytes, [cut, bytes.length - cut]), [frame]);
    }
  }
});

Deno.test("a frame with any bit flipped is another one, unfinished or refused, and does no harm", () => {
  for (const frame of SAMPLE_FRAMES) {
    const bytes = encodeFrame(frame);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      for (const read of tryRead(flipped) ?? []) assert.ok(readContent(encodeContent(read)));
    }
  }
});

Deno.test("a frame that is cut short within its length is refused", () => {
  for (const frame of SAMPLE_FRAMES) {
    const content = encodeContent(frame);
    for (let size = 0; size < content.length; size++) {
      const cut = content.subarray(0, size);
      const read = tryRead(concat(varint(size), cut));
      // Without its last fields a frame may be another one.
      for (const found of read ?? []) assert.notDeepEqual(found, frame);
    }
  }
});

Deno.test("garbage is refused, and takes no memory for what has not come", () => {
  const codes = fc.constantFrom(...Object.values(TYPES), 0, 0x7f, 0x80, 0xff);
  fc.assert(fc.property(codes, fc.uint8Array({ maxLength: 300 }), (code, bytes) => {
    tryRead(concat(varint(bytes.length + 1), Uint8Array.of(code), bytes));
    tryRead(bytes);
  }));
});

Deno.test("frames of later types are skipped, as fields of later types are; others are refused", () => {
  const ping = SAMPLE_FRAMES.find(({ type }) => type === "ping")!;
  const later = Uint8Array.of(2, 0x80, 1);
  assert.deepEqual(readAll(concat(later, encodeFrame(ping), later), [1]), [ping]);
  const more = concat(encodeContent(ping), Uint8Array.of(0x80, 1, 7));
  assert.deepEqual(readContent(more), ping);
  assert.equal(tryRead(Uint8Array.of(2, 0x7f, 1)), null);
  const twice = concat(encodeContent(ping), encodeContent(ping).subarray(2));
  for (const wrong of [concat(encodeContent(ping), Uint8Array.of(0x7f, 1, 7)), twice]) {
    assert.throws(() => readContent(wrong), ProtocolError);
  }
});

Deno.test("requests are numbered, notices are not", () => {
  for (const frame of SAMPLE_FRAMES) {
    const wrong = { ...frame, request: frame.request === 0 ? 1 : 0 };
    assert.throws(() => readContent(encodeContent(wrong)), /a wrong number/);
  }
});

Deno.test("limits hold before there is memory for what they limit", () => {
  const length = varint(MAX_FRAME + 1);
  assert.equal(tryRead(length), null);
  assert.deepEqual(new FrameReader(MAX_BULK_FRAME).feed(length), []);
  assert.throws(() => new FrameReader(MAX_BULK_FRAME).feed(varint(MAX_BULK_FRAME + 1)));
  assert.throws(() => new FrameReader(MAX_FRAME).feed(Uint8Array.of(0)), /empty/);
  const [descriptor] = SAMPLE_FRAMES.flatMap((frame) => frame.type === "hint" ? [frame.node] : []);
  const many = (count: number): Frame => ({
    ...{ type: "answer", request: 1, state: "ready", stamp: 1 },
    body: { to: "next", isDone: false, after: null, nodes: Array(count).fill(descriptor) },
  });
  assert.ok(readContent(encodeContent(many(32))));
  const value = new Uint8Array(64 * 1024 + 1);
  const large: Frame = {
    ...{ type: "put", request: 1, isOwner: false },
    record: { ...SAMPLE_RECORD, value },
  };
  for (const frame of [many(33), large]) {
    assert.throws(() => readContent(encodeContent(frame)), ProtocolError);
  }
  for (const bucket of ["kv", "kv/a/b", "kv//a", "", "kv/ü"]) {
    const event: Frame = { type: "event", request: 0, record: { ...SAMPLE_RECORD, bucket } };
    assert.throws(() => readContent(encodeContent(event)), ProtocolError, bucket);
  }
});

Deno.test("a relay carries no relay, and no answer but one to a request", () => {
  const relay = SAMPLE_FRAMES.find((frame) => frame.type === "relay")!;
  const answer = SAMPLE_FRAMES.find((f) => f.type === "answer" && f.body.to === "relay")!;
  const bye = SAMPLE_FRAMES.find(({ type }) => type === "bye")!;
  for (const frame of [relay, answer, bye]) {
    assert.throws(() => readContent(encodeContent({ ...relay, frame } as Frame)), /relayed/);
    const body = { to: "relay", frame };
    assert.throws(() => readContent(encodeContent({ ...answer, body } as Frame)), /relayed/);
  }
});
