import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../../tests/fake/rng.ts";
import vectors from "../../../../tests/vector/link-v2.json" with { type: "json" };
import { concat, fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { varint, writeVarint } from "../../../base/varint.ts";
import {
  type Frame,
  packClose,
  packEcho,
  PACKET_HEADER,
  packPadding,
  packRekey,
  packSegmentSize,
  packSetup,
  readFrames,
  writePacketHeader,
} from "./frames.ts";

fc.configureGlobal({ seed: 2 });

const protocol = { name: "TtunError", kind: "protocol" };
const KNOWN = [0x00, 0x01, 0x03, 0x04, 0x05, 0x06, 0x22];

const UNKNOWN = Array.from({ length: 0x80 }, (_, i) => 0x80 + i).filter((type) => type !== 0x81);

function framesIn(bytes: Uint8Array, start = 0, end = bytes.length): Frame[] {
  return [...readFrames(bytes, start, end)];
}

/** A packet's frame whose length has `size` bytes. */
function packetFrame(packet: Uint8Array, size: 2 | 4 | 8): Uint8Array {
  const length = new Uint8Array(size);
  writeVarint(length, 0, packet.length, size);
  return concat(new Uint8Array([1]), length, packet);
}

/** Bytes of a frame, and the result of reading it at `at`. */
type Sample = { bytes: Uint8Array; found: (at: number) => Frame | null };

const eight = fc.uint8Array({ minLength: 8, maxLength: 8 });
const sample: fc.Arbitrary<Sample> = fc.oneof(
  fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...[2, 4, 8] as const)).map((
    [packet, size],
  ) => ({
    bytes: packetFrame(packet, size),
    found: (at: number): Frame => ({ kind: "packet", at: at + 1 + size, length: packet.length }),
  })),
  fc.tuple(fc.constantFrom("ping" as const, "pong" as const), eight).map(([kind, data]) => ({
    bytes: packEcho(kind, data),
    found: (): Frame => ({ kind, data }),
  })),
  fc.uint8Array({ maxLength: 80 }).map((tlvs) => ({
    bytes: packSetup(tlvs),
    found: (): Frame => ({ kind: "setup", tlvs }),
  })),
  fc.tuple(fc.nat(), fc.stringMatching(/^[a-zé世]{0,20}$/)).map(([code, words]) => ({
    bytes: packClose(code, words),
    found: (): Frame => ({ kind: "close", code, words }),
  })),
  fc.maxSafeNat().map((bytes) => ({
    bytes: packSegmentSize(bytes),
    found: (): Frame => ({ kind: "segmentSize", bytes }),
  })),
  fc.tuple(fc.constantFrom(...UNKNOWN), fc.uint8Array({ maxLength: 80 })).map(
    ([type, body]) => ({
      bytes: concat(new Uint8Array([type]), varint(body.length), body),
      found: () => null,
    }),
  ),
);

Deno.test("frames come out as they went in, in order, wherever a record's text lies", () => {
  const tail = fc.constantFrom(packRekey(), packPadding(0), packPadding(1), packPadding(63));
  fc.assert(fc.property(fc.array(sample), tail, fc.nat(9), (samples, last, lead) => {
    const text = concat(...samples.map(({ bytes }) => bytes), last);
    const expected: Frame[] = [];
    let at = lead;
    for (const { bytes, found } of samples) {
      const frame = found(at);
      if (frame !== null) expected.push(frame);
      at += bytes.length;
    }
    if (last[0] === 0x05) expected.push({ kind: "rekey" });
    const around = concat(new Uint8Array(lead).fill(0x7f), text, new Uint8Array(9).fill(0x7f));
    assert.deepEqual(framesIn(around, lead, lead + text.length), expected);
  }));
});

Deno.test("a frame that is cut short anywhere is refused, and what stood before it was read", () => {
  fc.assert(fc.property(sample, sample, (first, { bytes }) => {
    for (let size = 1; size < bytes.length; size++) {
      const text = concat(first.bytes, bytes.subarray(0, size));
      const read: Frame[] = [];
      const reading = () => {
        // The whole frame lies in the array; only the record's end cuts it.
        const array = concat(first.bytes, bytes);
        for (const frame of readFrames(array, 0, text.length)) read.push(frame);
      };
      assert.throws(reading, protocol, `${size} of ${toHex(bytes)}`);
      assert.deepEqual(read, [first.found(0)].filter((frame) => frame !== null));
    }
  }));
});

Deno.test("a type below 80 that is not known ends the session, with or without bytes behind it", () => {
  for (let type = 0; type < 0x80; type++) {
    if (KNOWN.includes(type)) continue;
    assert.throws(() => framesIn(new Uint8Array([type])), protocol, `type ${type}`);
    assert.throws(() => framesIn(new Uint8Array([type, 0, 0, 0])), protocol, `type ${type}`);
  }
});

Deno.test("no length makes a frame reach beyond its record", () => {
  for (const type of ["01", "06", "80", "ff", "2200"]) {
    for (
      const length of ["c000000000000001", "c01fffffffffffff", "c020000000000000", "f".repeat(16)]
    ) {
      assert.throws(() => framesIn(fromHex(type + length)), protocol, `${type} ${length}`);
    }
  }
  assert.throws(() => framesIn(fromHex(`22${"f".repeat(16)}00`)), protocol, "a code above 2^53-1");
});

Deno.test("a segment size is one number, in any form, and nothing else", () => {
  for (const { bytes, frame, forms } of vectors.segment_sizes) {
    assert.equal(toHex(packSegmentSize(bytes)), frame);
    for (const form of [frame, ...forms]) {
      assert.deepEqual(framesIn(fromHex(form)), [{ kind: "segmentSize", bytes }], form);
    }
  }
  for (const wrong of ["8100", "81024400ff", "810144", "810344c400", "8108ffffffffffffffff"]) {
    assert.throws(() => framesIn(fromHex(wrong)), protocol, wrong);
  }
});

Deno.test("padding takes all the rest, whatever it is", () => {
  const ping = packEcho("ping", new Uint8Array(8));
  for (const rest of ["", "00", "05", "7f", "01ffff", "22"]) {
    const frames = framesIn(concat(ping, new Uint8Array(1), fromHex(rest)));
    assert.deepEqual(frames.map(({ kind }) => kind), ["ping"]);
  }
  assert.deepEqual(framesIn(new Uint8Array()), []);
});

Deno.test("nothing may stand behind a rekey, not even padding", () => {
  const ping = packEcho("ping", new Uint8Array(8));
  assert.deepEqual(framesIn(concat(ping, packRekey())).map(({ kind }) => kind), ["ping", "rekey"]);
  for (const rest of ["00", "05", "8000", "7f", toHex(ping)]) {
    const kinds: string[] = [];
    const reading = () => {
      for (
        const { kind } of readFrames(concat(ping, fromHex("05" + rest)), 0, 10 + rest.length / 2)
      ) {
        kinds.push(kind);
      }
    };
    assert.throws(reading, protocol, rest);
    assert.deepEqual(kinds, ["ping"], "the keys must not change");
  }
});

Deno.test("packets of no byte and of 65500 pass, with a length of any size", () => {
  const longest = seededRng(1)(65_500);
  for (const length of [0, 1, 0x3fff, 65_500]) {
    const packet = longest.subarray(0, length);
    const bytes = new Uint8Array(PACKET_HEADER + length);
    bytes.set(packet, PACKET_HEADER);
    writePacketHeader(bytes, PACKET_HEADER, length, PACKET_HEADER);
    assert.deepEqual(bytes, packetFrame(packet, 4));
    for (const size of length > 0x3fff ? [4, 8] as const : [2, 4, 8] as const) {
      const found = framesIn(packetFrame(packet, size));
      assert.deepEqual(found, [{ kind: "packet", at: 1 + size, length }]);
    }
  }
});

function wordsOf(text: Uint8Array): string {
  const bytes = concat(new Uint8Array([0x22, 0]), varint(text.length), text);
  const [close] = framesIn(bytes);
  assert(close?.kind === "close");
  return close.words;
}

Deno.test("words of a close lose what could steer a terminal or turn its writing", () => {
  assert.equal(wordsOf(utf8("\x1b[2Jgo\x07 \r\nbut\x7f \u009b31mslowly\0")), "[2Jgo but 31mslowly");
  for (const range of [[0, 0x1f], [0x7f, 0x9f], [0x2028, 0x202e], [0x2066, 0x2069]] as const) {
    for (let c = range[0]; c <= range[1]; c++) {
      assert.equal(wordsOf(utf8(`a${String.fromCharCode(c)}b`)), "ab", c.toString(16));
    }
  }
  for (const mark of ["\u200e", "\u200f", "\u061c"]) assert.equal(wordsOf(utf8(`a${mark}b`)), "ab");
  assert.equal(wordsOf(utf8("grüße, 世界 🙂 ~ ")), "grüße, 世界 🙂 ~ ");
});

Deno.test("words that are not UTF-8 are shown as far as they are", () => {
  for (const [hex, words] of [["61ff62", "a\ufffdb"], ["61c3", "a\ufffd"], ["c29b", ""]] as const) {
    assert.equal(wordsOf(fromHex(hex)), words);
  }
  // An escape that hides in an overlong form stays nothing but damaged text.
  assert(/^[\ufffd]*$/.test(wordsOf(fromHex("c09be0809bf080809b"))));
});

Deno.test("words have at most 1024 bytes, and are cut at a whole character", () => {
  assert.equal(wordsOf(utf8("x".repeat(1024))).length, 1024);
  assert.throws(() => wordsOf(utf8("x".repeat(1025))), protocol);
  for (const letter of ["x", "é", "世", "🙂"]) {
    const words = letter.repeat(1030);
    const [close] = framesIn(packClose(2, words));
    assert(close?.kind === "close");
    assert.equal(close.words, letter.repeat(Math.floor(1024 / utf8(letter).length)));
  }
});
