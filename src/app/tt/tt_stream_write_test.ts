import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import {
  FRAMES,
  framesIn,
  pattern,
  readNowAll,
  ttConnection,
  ttStream,
  TWIN,
} from "../../../tests/fake/tt_ends.ts";
import { twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { Marker } from "../../core/tt/mark.ts";
import type { TtStream } from "./tt_stream.ts";
import { writable, write } from "../loop/stream_io.ts";

type Options = Parameters<typeof ttStream>[1] & { capacity?: number; segmentBytes?: number };

/** A stream that writes, the socket's other end, and the sizes of the socket's writes. */
function writer(o: Options = {}): [TtStream, Connection, number[]] {
  const { capacity = 1 << 22, segmentBytes, ...rest } = o;
  const [near, far] = memoryPair({ capacity });
  const writes: number[] = [];
  const writeNow = near.writeNow.bind(near);
  near.writeNow = (bytes) => {
    if (bytes.length > 0) writes.push(bytes.length);
    return writeNow(bytes);
  };
  if (segmentBytes !== undefined) near.stats = () => ({ protocol: "tcp", segmentBytes });
  return [ttStream(near, rest), far, writes];
}

/** Lengths of the texts in what was sent, which are `expected` all together. */
function textsOn(far: Connection, expected: Uint8Array): number[] {
  const frames = framesIn(readNowAll(far).bytes);
  assert.deepEqual(concat(...frames.map(({ text }) => text)), expected);
  return frames.map(({ text }) => text.length);
}

const SMALL = 64 * 1024;

/** Reads until the writer is done; all bytes that came. */
async function takeWhile(far: Connection, writing: Promise<unknown>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let isOver = false;
  writing.finally(() => isOver = true).catch(() => {});
  while (!isOver) {
    parts.push(readNowAll(far).bytes);
    FRAMES.sealed.fill(0xee, 0, 12_000); // another connection has its turn
    await Promise.resolve();
  }
  return concat(...parts, readNowAll(far).bytes);
}

Deno.test("frames fill one segment each at first, then are as long as the peer takes", () => {
  for (const [peer, most] of [["marked", 65_519], ["unmarked", 4036]] as const) {
    const [stream, far] = writer({ peer, segmentBytes: 1400 });
    const data = pattern(400_000);
    write(stream, data);
    const frames = framesIn(readNowAll(far).bytes);
    let sent = 0;
    for (const [i, { text, size }] of frames.entries()) {
      const isSmall = sent < SMALL;
      if (isSmall) assert.equal(text.length, 1400 - 51, `frame ${i} after ${sent}`);
      else if (peer === "marked") assert.ok(text.length <= most);
      if (isSmall) assert.ok(size <= 1400);
      sent += text.length;
    }
    assert.equal(sent, data.length);
    assert.equal(Math.max(...frames.map(({ text }) => text.length)), most);
  }
});

Deno.test("where the socket knows no segment, a frame fits one of 1428 bytes", () => {
  const [stream, far] = writer();
  write(stream, pattern(5000));
  assert.deepEqual(textsOn(far, pattern(5000)), [1377, 1377, 1377, 869]);
});

Deno.test("after a pause of a second frames are small again, and not before", async () => {
  const clock = new FakeClock();
  const [stream, far] = writer({ peer: "marked", clock });
  write(stream, pattern(200_000));
  readNowAll(far);
  const next = () => {
    write(stream, pattern(60_000));
    return textsOn(far, pattern(60_000))[0]!;
  };
  assert.equal(next(), 60_000);
  await clock.advance(1000);
  assert.equal(next(), 60_000);
  await clock.advance(1001);
  assert.equal(next(), 1377);
});

Deno.test("for an existing peer no text is above 4036 bytes and no frame above 4096", () => {
  const writes = fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(writes, fc.integer({ min: 60, max: 70_000 }), (sizes, segmentBytes) => {
      const [stream, far] = writer({ segmentBytes });
      const data = sizes.map((size, i) => pattern(size, i + 1));
      for (const bytes of data) write(stream, bytes);
      const frames = framesIn(readNowAll(far).bytes);
      assert.ok(frames.every(({ text, size }) => text.length <= 4036 && size <= 4096));
      assert.ok(frames.every(({ random }) => random >= 12 && random <= 32));
      assert.deepEqual(concat(...frames.map(({ text }) => text)), concat(...data));
    }),
    { numRuns: 10 },
  );
});

Deno.test("the mark of a peer that has just shown it counts from the next frame on", () => {
  const [stream, far] = writer({ peer: null });
  write(stream, pattern(SMALL));
  write(stream, pattern(20_000));
  assert.equal(Math.max(...textsOn(far, concat(pattern(SMALL), pattern(20_000)))), 4036);
  const random = new Marker(TWIN.k).markedRandom((length) => pattern(length));
  write(far, twinSeal(TWIN, random, utf8("hello")));
  readNowAll(stream);
  write(stream, pattern(20_000));
  assert.deepEqual(textsOn(far, pattern(20_000)), [20_000]);
});

Deno.test("no text is longer than the operator has said", () => {
  for (
    const [mostText, peer] of [
      [1, "lasting"],
      [500, "unmarked"],
      [10_000, "marked"],
      [60_000, "unmarked"],
    ] as const
  ) {
    const [stream, far] = writer({ mostText, peer });
    const data = pattern(mostText === 1 ? 300 : 150_000);
    write(stream, data);
    const longest = Math.max(...textsOn(far, data));
    assert.equal(longest, Math.min(mostText, peer === "unmarked" ? 4036 : 65_519));
  }
});

Deno.test("all frames of a write go with one write of the socket", () => {
  const [stream, far, writes] = writer();
  write(stream, pattern(100_000));
  assert.equal(writes.length, 1);
  assert.equal(writes[0], readNowAll(far).bytes.length);
  stream.writeFrames([utf8("first"), utf8("second")]);
  assert.equal(writes.length, 2);
  assert.deepEqual(framesIn(readNowAll(far).bytes).map(({ text }) => text), [
    utf8("first"),
    utf8("second"),
  ]);
});

Deno.test("the first frame's R has the mark and was noted; the others are all different", () => {
  const noted: Uint8Array[] = [];
  const noteSent = (_: unknown, random: Uint8Array) => {
    noted.push(random.slice());
    return "new" as const;
  };
  const [stream, far] = writer({ nonces: { noteSent, noteReceived: () => "new" } });
  stream.writeFrames([utf8("a"), utf8("b")]);
  for (let i = 0; i < 100; i++) write(stream, utf8("c"));
  const bytes = readNowAll(far).bytes;
  assert.deepEqual(noted, [bytes.slice(1, 33)]);
  const nonces = new Set<string>();
  let at = 0;
  for (const { size } of framesIn(bytes)) {
    nonces.add(bytes.slice(at + 1, at + 13).join());
    at += size;
  }
  assert.equal(nonces.size, 102);
  assert.equal(new Marker(TWIN.k).peerOf(bytes.slice(1, 33)), "lasting");
});

Deno.test("sizes of R are drawn from 12 to 32, all of them", () => {
  const [stream, far] = writer();
  for (let i = 0; i < 600; i++) write(stream, utf8("x"));
  const sizes = new Set(framesIn(readNowAll(far).bytes).map(({ random }) => random));
  assert.deepEqual([...sizes].sort((a, b) => a - b), Array.from({ length: 21 }, (_, i) => 12 + i));
});

Deno.test("a socket that takes a few bytes at a time loses and repeats nothing", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 5000 }), async (sizes, capacity) => {
      const [stream, far] = writer({ capacity, peer: "marked" });
      const data = sizes.map((size, i) => pattern(size, i + 1));
      const send = async () => {
        for (const [i, bytes] of data.entries()) {
          const lent = bytes.slice();
          if (i % 2 === 0) await write(stream, lent);
          else {
            const done = stream.writeNow(lent);
            await write(stream, lent.slice(done));
          }
          lent.fill(0xee); // it was only lent
          FRAMES.sealed.fill(0xee);
        }
        await writable(stream); // what the socket has not taken yet
      };
      const bytes = await takeWhile(far, send());
      const texts = framesIn(bytes).map(({ text }) => text);
      assert.deepEqual(concat(...texts), concat(...data));
    }),
    { numRuns: 12 },
  );
});

Deno.test("while an earlier write waits writeNow takes nothing, and then goes on", async () => {
  const [stream, far] = writer({ capacity: 100 });
  assert.equal(stream.writeNow(pattern(2000)), 2000);
  assert.equal(stream.writeNow(utf8("later")), 0);
  const writing = write(stream, utf8("later"));
  assert.ok(writing instanceof Promise);
  const bytes = await takeWhile(far, writing);
  assert.deepEqual(
    concat(...framesIn(bytes).map(({ text }) => text)),
    concat(pattern(2000), utf8("later")),
  );
  assert.equal(stream.writeNow(utf8("x")), 1);
});

Deno.test("what a socket has not taken yet is no more than a chunk, however much is written", async () => {
  const [stream, far] = writer({ capacity: 1000, peer: "marked" });
  const taken = stream.writeNow(pattern(1 << 20));
  assert.ok(taken <= FRAMES.sealed.length);
  for (let i = 0; i < 10; i++) assert.equal(stream.writeNow(pattern(1000)), 0);
  const ending = stream.closeWrite();
  const bytes = await takeWhile(far, Promise.resolve(ending));
  assert.ok(bytes.length <= FRAMES.sealed.length);
});

Deno.test("FIN waits for what was taken, and comes behind it", async () => {
  const [stream, far] = writer({ capacity: 50 });
  stream.writeNow(pattern(3000));
  let isSent = false;
  const ending = Promise.resolve(stream.closeWrite()).then(() => isSent = true);
  const first = readNowAll(far);
  assert.deepEqual([isSent, first.isEnded], [false, false]);
  const bytes = concat(first.bytes, await takeWhile(far, ending));
  assert.deepEqual(concat(...framesIn(bytes).map(({ text }) => text)), pattern(3000));
  assert.equal(readNowAll(far).isEnded, true);
});

Deno.test("each way ends on its own", () => {
  const [near, far] = memoryPair();
  const [a, b] = [ttStream(near), ttStream(far)];
  write(a, utf8("bye"));
  a.closeWrite();
  assert.deepEqual(readNowAll(b), { bytes: utf8("bye"), isEnded: true });
  write(b, utf8("wait"));
  write(b, utf8(" now bye"));
  assert.deepEqual(readNowAll(a), { bytes: utf8("wait now bye"), isEnded: false });
  b.closeWrite();
  assert.equal(readNowAll(a).isEnded, true);
});

Deno.test("a reset while a write waits fails that write, later ones, and FIN", async () => {
  for (const wait of [(s: TtStream) => s.closeWrite(), (s: TtStream) => write(s, utf8("x"))]) {
    const [stream, far] = writer({ capacity: 50 });
    stream.writeNow(pattern(3000));
    const waiting = wait(stream);
    far.reset();
    await assert.rejects(async () => await waiting, { kind: "lost" });
    assert.throws(() => stream.writeNow(utf8("x")), { kind: "lost" });
    await assert.rejects(async () => await stream.closeWrite(), { kind: "lost" });
  }
});

Deno.test("a reset is a reset of the socket, and close gives the minute back", async () => {
  const [stream, far] = writer();
  stream.reset();
  assert.throws(() => far.readNow(new Uint8Array(1)), TtunError);
  let closed = 0;
  const [near, its] = memoryPair();
  const { keys, secrets } = ttConnection(near).minute;
  const minute = {
    keys,
    secrets,
    [Symbol.dispose]: () => {
      assert.equal(its.stats().peerClosed, true); // the socket goes first
      closed++;
    },
  };
  await ttStream(near, { minute })[Symbol.asyncDispose]();
  assert.equal(closed, 1);
});
