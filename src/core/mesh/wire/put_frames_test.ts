import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../../base/errors.ts";
import type { Frame } from "../frame.ts";
import { encodeContent, encodeFrame, readContent, readFields } from "./frame_codec.ts";
import { contentOf } from "./frame_splitter.ts";
import { encodeOfPut, readOfPut } from "./put_frames.ts";

const U64 = { min: 0n, max: 2n ** 64n - 1n };
const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,70}$/);

const puts = fc.record({
  type: fc.constant("put" as const),
  request: fc.integer({ min: 1, max: 2 ** 40 }),
  isOwner: fc.boolean(),
  record: fc.record({
    bucket: fc.tuple(segment, segment).map((parts) => parts.join("/")),
    child: fc.array(segment, { maxLength: 3 }).map((parts) => parts.join("/")),
    value: fc.uint8Array({ maxLength: 700 }),
    version: fc.record({ epoch: fc.bigInt(U64), hlc: fc.bigInt(U64), writer: fc.bigInt(U64) }),
    expiry: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    isTombstone: fc.constant(false),
    class: fc.constantFrom("soft" as const, "durable" as const),
  }),
});

const answers = fc.record({
  type: fc.constant("answer" as const),
  request: fc.integer({ min: 1, max: 2 ** 40 }),
  state: fc.constantFrom("warming" as const, "ready" as const, "leaving" as const),
  stamp: fc.integer({ min: 0, max: 2 ** 50 }),
  body: fc.record({
    to: fc.constant("put" as const),
    better: fc.constant(null),
    newer: fc.constantFrom(0n, 0n, 7n),
  }),
});

/** Plain objects, as others are. */
const frames: fc.Arbitrary<Frame> = fc.oneof(puts, answers).map((frame) => structuredClone(frame));

Deno.test("puts and their answers have the bytes that their fields have one by one", () => {
  fc.assert(fc.property(frames, (frame) => {
    const content = contentOf(encodeFrame(frame));
    assert.deepEqual(content, encodeContent(frame));
    assert.deepEqual(readContent(content), frame);
    assert.deepEqual(readFields(content), frame);
    if (frame.type !== "answer") return;
    const late = { ...frame, stamp: frame.stamp + 0.5 };
    assert.deepEqual(readContent(contentOf(encodeFrame(late))), frame);
  }));
});

Deno.test("damaged puts and answers are read, or refused, as field by field", () => {
  const damages = fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(frames, damages, fc.nat(30), (frame, all, cut) => {
      const content = encodeContent(frame);
      for (const [at, byte] of all) if (at < content.length) content[at] = byte;
      const bytes = content.subarray(0, Math.max(1, content.length - (cut > 20 ? cut - 20 : 0)));
      const [whole, parts] = [readContent, readFields].map((read) => tried(() => read(bytes)));
      assert.deepEqual(whole, parts);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("what is not usual is left to others", () => {
  const [frame] = fc.sample(puts, 1);
  const record = { ...frame!.record, bucket: "kv/ü" };
  assert.equal(encodeOfPut({ ...frame!, record }), null);
  assert.equal(encodeOfPut({ type: "bye", request: 0, words: "" }), null);
  assert.equal(readOfPut(Uint8Array.of(0x38, 0)), null);
});

/** Returns "refused" for a frame that is none. */
function tried(read: () => Frame | null): Frame | null | "refused" {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return "refused";
  }
}
