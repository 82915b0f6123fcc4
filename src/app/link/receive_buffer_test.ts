import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import { concat, readU16, writeU16 } from "../../base/bytes.ts";
import { VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";

fc.configureGlobal({ seed: 7 });

/** Both versions of the wire have two bytes before what may be a packet. */
const HEADER = 2;

const RANDOM = seededRng(1)(70_000);

/** Bytes as a stream brings them: a length, then so many bytes. */
function message(length: number, i: number): Uint8Array {
  const from = (37 * i) % 4000;
  const bytes = concat(new Uint8Array(HEADER), RANDOM.subarray(from, from + length));
  writeU16(bytes, 0, length);
  return bytes;
}

/** Takes whole messages out of the buffer, as a link does, and sees that each has room before it. */
function takeAll(buffer: ReceiveBuffer): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (;;) {
    const { bytes, start, end } = buffer;
    const size = end - start < HEADER ? Infinity : HEADER + readU16(bytes, start);
    if (start + size > end) return found;
    assert(start + HEADER >= VIRTIO_NET_HEADER, `a packet lies at ${start + HEADER}`);
    found.push(bytes.slice(start, start + size));
    // The device's header goes there: what comes behind must not feel it.
    bytes.fill(0xee, start + HEADER - VIRTIO_NET_HEADER, start + HEADER);
    buffer.start += size;
  }
}

/** Puts the stream through the buffer, in reads of such sizes; the messages that come out. */
function putThrough(buffer: ReceiveBuffer, stream: Uint8Array, sizes: number[]): Uint8Array[] {
  const found = takeAll(buffer);
  for (let at = 0, i = 0; at < stream.length; i++) {
    const space = buffer.space();
    assert(space.length > 0, "there is always room to read");
    assert.equal(space.buffer, buffer.bytes.buffer);
    assert.equal(space.byteOffset, buffer.end);
    const got = Math.min(sizes[i % sizes.length]!, space.length, stream.length - at);
    space.set(stream.subarray(at, at + got));
    assert(buffer.took(got));
    at += got;
    found.push(...takeAll(buffer));
  }
  return found;
}

const lengths = fc.array(
  fc.oneof(
    fc.nat(70),
    fc.nat(3000),
    fc.integer({ min: 60_000, max: 65_535 }),
    fc.integer({ min: 60_000, max: 65_535 }),
  ),
  { minLength: 1, maxLength: 14, size: "max" },
);
const reads = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 70_000 }),
    fc.constant(2 ** 20),
  ),
  { minLength: 1, maxLength: 7 },
);

Deno.test("nothing is lost, whatever comes and however it is cut, and packets have room before them", () => {
  let moves = 0;
  fc.assert(
    fc.property(lengths, reads, fc.nat(5000), (some, sizes, early) => {
      const messages = some.map(message);
      const stream = concat(...messages);
      const buffer = new ReceiveBuffer();
      buffer.add(stream.subarray(0, early));
      const found = putThrough(buffer, stream.subarray(early), sizes);
      assert.deepEqual(found, messages);
      assert(buffer.isEmpty);
      if (stream.length > buffer.bytes.length) moves++;
    }),
    { numRuns: 500 },
  );
  assert(moves > 20, `${moves}`);
});

Deno.test("the largest messages always find room, wherever the buffer was cut", () => {
  const largest = Array.from({ length: 40 }, (_, i) => message(65_535 - (i % 3), i));
  for (const size of [2 ** 20, 65_536, 65_537, 65_538, 30_011]) {
    const buffer = new ReceiveBuffer();
    const found = putThrough(buffer, concat(...largest), [size, size - 1]);
    assert.deepEqual(found, largest);
  }
});

Deno.test("what came before there was a buffer is read first, and has room before it too", () => {
  const buffer = new ReceiveBuffer();
  assert(buffer.isEmpty);
  const [one, two, three] = [message(5, 1), message(0, 2), message(900, 3)];
  buffer.add(concat(one, two.subarray(0, 1)));
  buffer.add(concat(two.subarray(1), three.subarray(0, 10)));
  assert(!buffer.isEmpty);
  assert.deepEqual(takeAll(buffer), [one, two]);
  assert.deepEqual(putThrough(buffer, three.subarray(10), [7]), [three]);
  assert(buffer.isEmpty);
});

Deno.test("space() that is not used, and the peer's end, leave all as it was", () => {
  const buffer = new ReceiveBuffer();
  const one = message(20, 1);
  buffer.add(one.subarray(0, 9));
  for (let i = 0; i < 3; i++) buffer.space();
  assert.equal(buffer.took(null), false);
  assert(!buffer.isEmpty);
  assert.deepEqual(putThrough(buffer, one.subarray(9), [100]), [one]);
});

Deno.test("an empty buffer is read into from its front again", () => {
  const buffer = new ReceiveBuffer();
  const { byteOffset } = buffer.space();
  for (let i = 0; i < 9; i++) {
    putThrough(buffer, message(60_000, i), [2 ** 20]);
    assert.equal(buffer.space().byteOffset, byteOffset);
  }
});

Deno.test("behind what is there, the largest message finds room", () => {
  const largest = HEADER + 0xffff;
  for (let free = largest - 3; free < largest + 3; free++) {
    const buffer = new ReceiveBuffer();
    buffer.add(new Uint8Array(buffer.space().length - free));
    buffer.start = buffer.end - 40_000; // the rest has been taken
    assert(buffer.space().length >= largest, `${free} bytes are free`);
  }
});
