import assert from "node:assert/strict";
import fc from "fast-check";
import { memoryPair } from "../../../tests/fake/memory.ts";
import {
  frameOf,
  FRAMES,
  framesIn,
  pattern,
  readNowAll,
  ttStream,
  TWIN,
} from "../../../tests/fake/tt_ends.ts";
import { twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { Marker } from "../../core/tt/mark.ts";
import type { TtStream } from "./tt_stream.ts";
import { read, write } from "../loop/stream_io.ts";

const WORDS = "Cannot open a frame: wrong key or cipher, or damaged bytes";

/** A stream that reads, and the socket's other end. */
function reader(o: Parameters<typeof ttStream>[1] = {}): [TtStream, Connection] {
  const [near, far] = memoryPair({ capacity: 1 << 20 });
  return [ttStream(near, o), far];
}

/** Reads up to an error: the bytes before it, and the error. */
function readToError(stream: TtStream, size?: number): { bytes: Uint8Array; error: unknown } {
  const into = new Uint8Array(size ?? 1 << 17);
  const bytes: number[] = [];
  try {
    for (;;) {
      const got = stream.readNow(into);
      if (got === null || got === undefined) throw new Error(`No error, but ${got}`);
      bytes.push(...into.subarray(0, got));
    }
  } catch (error) {
    return { bytes: Uint8Array.from(bytes), error };
  }
}

const SMALL = [utf8("one"), utf8("2"), pattern(300), utf8("and the last")];
const LINE = concat(
  frameOf(SMALL[0]!, 12),
  frameOf(SMALL[1]!, 255),
  frameOf(SMALL[2]!, 32),
  frameOf(SMALL[3]!, 19),
);

for (const size of [1, 5, 200, 1 << 17]) {
  Deno.test(`frames cut at any one place give the same bytes, ${size} at a time`, () => {
    for (let cut = 0; cut <= LINE.length; cut++) {
      const [stream, far] = reader();
      write(far, LINE.subarray(0, cut));
      const before = readNowAll(stream, size);
      write(far, LINE.subarray(cut));
      far.closeWrite();
      const after = readNowAll(stream, size);
      assert.deepEqual(concat(before.bytes, after.bytes), concat(...SMALL), `cut at ${cut}`);
      assert.deepEqual([before.isEnded, after.isEnded], [false, true]);
    }
  });
}

Deno.test("what came with the first frame is read before what comes later, wherever it is cut", () => {
  for (let cut = 0; cut <= LINE.length; cut++) {
    const [stream, far] = reader({ rest: LINE.slice(0, cut) });
    write(far, LINE.subarray(cut));
    assert.deepEqual(readNowAll(stream).bytes, concat(...SMALL), `cut at ${cut}`);
  }
});

Deno.test("byte by byte nothing comes before its frame is whole", () => {
  const frame = frameOf(utf8("whole"), 40);
  const [stream, far] = reader();
  for (const [at, byte] of frame.entries()) {
    assert.equal(stream.readNow(new Uint8Array(100)), undefined, `after ${at} bytes`);
    write(far, Uint8Array.of(byte));
  }
  assert.deepEqual(readNowAll(stream).bytes, utf8("whole"));
});

Deno.test("frames of any sizes, cut anywhere, read in any pieces, are the bytes that went in", () => {
  const frames = fc.array(
    fc.record({
      length: fc.integer({ min: 1, max: 5000 }),
      random: fc.integer({ min: 12, max: 255 }),
    }),
    { minLength: 1, maxLength: 8 },
  );
  const cuts = fc.array(fc.nat(40_000), { maxLength: 10 });
  const sizes = fc.array(fc.integer({ min: 1, max: 8000 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(frames, cuts, sizes, (frames, cuts, sizes) => {
      const texts = frames.map(({ length }, i) => pattern(length, i + 1));
      const line = concat(...frames.map(({ random }, i) => frameOf(texts[i]!, random)));
      const places = [...new Set(cuts.map((cut) => cut % line.length))].sort((a, b) => a - b);
      const [stream, far] = reader();
      const parts: Uint8Array[] = [];
      let turn = 0;
      for (const [i, from] of [0, ...places].entries()) {
        write(far, line.subarray(from, places[i] ?? line.length));
        for (;;) {
          const into = new Uint8Array(sizes[turn++ % sizes.length]!);
          const got = stream.readNow(into);
          if (got === undefined) break;
          parts.push(into.subarray(0, got!));
          FRAMES.sealed.fill(0xee); // another connection has its turn
        }
      }
      assert.deepEqual(concat(...parts), concat(...texts));
    }),
    { numRuns: 60 },
  );
});

Deno.test("frames as long as a marked peer sends are read, whole or in pieces", () => {
  for (const length of [65_519, 65_535]) {
    const text = pattern(length);
    const frame = frameOf(text, 255);
    for (const cut of [1, 2, 257, 258, 259, 4096, 60_000, frame.length]) {
      const [stream, far] = reader();
      write(far, frame.subarray(0, cut));
      const before = readNowAll(stream);
      write(far, frame.subarray(cut));
      assert.deepEqual(concat(before.bytes, readNowAll(stream).bytes), text, `${length}, ${cut}`);
    }
  }
});

Deno.test("text that is put back comes first and once", () => {
  const [stream, far] = reader();
  stream.unread(utf8("opened "));
  write(far, frameOf(utf8("sent")));
  assert.equal(stream.readNow(new Uint8Array(3)), 3);
  stream.unread(utf8("ope"));
  stream.unread(new Uint8Array());
  assert.deepEqual(readNowAll(stream, 4).bytes, utf8("opened sent"));
});

Deno.test("the end is the end only between two frames", () => {
  const wholeAt = [0];
  for (const { size } of framesIn(LINE)) wholeAt.push(wholeAt.at(-1)! + size);
  for (let cut = 0; cut <= LINE.length; cut++) {
    const [stream, far] = reader();
    write(far, LINE.subarray(0, cut));
    far.closeWrite();
    if (wholeAt.includes(cut)) {
      assert.equal(readNowAll(stream).isEnded, true);
      continue;
    }
    const { bytes, error } = readToError(stream);
    assert.deepEqual(bytes, concat(...SMALL).subarray(0, bytes.length));
    assert.ok(error instanceof ProtocolError, String(error));
    assert.match(error.message, /ended inside a frame/);
  }
});

Deno.test("a bit flipped anywhere gives out nothing but what stood before, or was padding", () => {
  const [before, text] = [utf8("before"), utf8("the text")];
  const random = 20;
  const head = frameOf(before);
  const victim = twinSeal(TWIN, pattern(random, 7), text);
  const behind = frameOf(pattern(500));
  for (let bit = 0; bit < 8 * victim.length; bit++) {
    const damaged = victim.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const at = bit >> 3;
    const isPadding = at > 12 && at <= random;
    const [stream, far] = reader();
    write(far, concat(head, damaged, behind));
    far.closeWrite();
    if (isPadding) {
      const { bytes, isEnded } = readNowAll(stream);
      assert.deepEqual([bytes, isEnded], [concat(before, text, pattern(500)), true]);
      continue;
    }
    const { bytes, error } = readToError(stream);
    assert.ok(error instanceof ProtocolError, `bit ${bit}: ${error}`);
    assert.deepEqual(bytes, before, `bit ${bit}`);
  }
});

Deno.test("after a damaged frame every read fails, also for good frames and at the end", () => {
  const damaged = frameOf(utf8("x"));
  damaged[damaged.length - 1]! ^= 1;
  const [stream, far] = reader();
  write(far, damaged);
  const fails = () => assert.throws(() => stream.readNow(new Uint8Array(100)), { message: WORDS });
  fails();
  fails();
  write(far, frameOf(utf8("good")));
  fails();
  far.closeWrite();
  fails();
  assert.throws(() => read(stream, new Uint8Array(100)), { message: WORDS });
});

Deno.test("a damaged frame takes nothing from the one before, whether they come as one or not", () => {
  const damaged = frameOf(utf8("x"));
  damaged[damaged.length - 1]! ^= 1;
  const line = concat(frameOf(utf8("good")), damaged);
  for (let cut = 0; cut <= line.length; cut++) {
    for (const size of [1, 3, 100]) {
      const [stream, far] = reader();
      write(far, line.subarray(0, cut));
      const first = cut === line.length ? null : readNowAll(stream, size);
      write(far, line.subarray(cut));
      const { bytes, error } = readToError(stream, size);
      assert.deepEqual(concat(first?.bytes ?? new Uint8Array(), bytes), utf8("good"));
      assert.equal((error as Error).message, WORDS);
    }
  }
});

Deno.test("headers that cannot be are refused: R below 12 bytes, no text", () => {
  const short = frameOf(utf8("x"), 12);
  short[0]! ^= 12 ^ 11;
  const [stream, far] = reader();
  write(far, short);
  assert.equal(readToError(stream).error instanceof ProtocolError, true);
  const empty = frameOf(utf8("x"), 12);
  empty[14]! ^= 1; // L = 1 becomes 0
  const [other, its] = reader();
  write(its, empty);
  assert.equal(readToError(other).error instanceof ProtocolError, true);
});

Deno.test("the first frame's R is shown once, and says what the peer is", () => {
  const marked = twinSeal(TWIN, new Marker(TWIN.k).markedRandom((n) => pattern(n)), utf8("a"));
  for (
    const [first, peer] of [[marked, "lasting"], [frameOf(utf8("a"), 32), "unmarked"]] as const
  ) {
    for (const cut of [0, 10, first.length]) {
      const shown: Uint8Array[] = [];
      const [stream, far] = reader({
        peer: null,
        nonces: {
          noteSent: () => "new",
          noteReceived: (_, random) => {
            shown.push(random.slice());
            return "new";
          },
        },
      });
      write(far, first.subarray(0, cut));
      stream.readNow(new Uint8Array(0));
      write(far, concat(first.subarray(cut), marked, frameOf(utf8("b"))));
      assert.deepEqual(readNowAll(stream).bytes, utf8("aab"));
      assert.equal(stream.peerMark, peer);
      assert.deepEqual(shown, [first.slice(1, 33)]);
    }
  }
});

Deno.test("a first frame that is refused gives out nothing, and nothing after it", () => {
  const [stream, far] = reader({
    peer: null,
    nonces: { noteSent: () => "new", noteReceived: () => "known" },
  });
  write(far, concat(frameOf(utf8("a")), frameOf(utf8("b"))));
  for (let i = 0; i < 3; i++) {
    assert.throws(() => stream.readNow(new Uint8Array(100)), { message: "Cannot trust it: known" });
  }
});

Deno.test("a read that waits gets the first text, and a reset of the socket is an error", async () => {
  const [stream, far] = reader();
  const into = new Uint8Array(100);
  const waiting = read(stream, into);
  assert.ok(waiting instanceof Promise);
  const frame = frameOf(utf8("late"));
  write(far, frame.subarray(0, 20));
  write(far, frame.subarray(20));
  assert.equal(await waiting, 4);
  const next = read(stream, into);
  far.reset();
  await assert.rejects(async () => await next, { kind: "lost" });
});
