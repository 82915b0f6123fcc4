import assert from "node:assert/strict";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import {
  frameOf,
  framesIn,
  pattern,
  readNowAll,
  ttConnection,
  type TtEndOptions,
  ttPair,
  ttStream,
  TWIN,
} from "../../../tests/fake/tt_ends.ts";
import { twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { TtConnection } from "./tt_connection.ts";
import type { TtStream } from "./tt_stream.ts";
import { write } from "../loop/stream_io.ts";

const END = twinSeal(TWIN, pattern(20), new Uint8Array());
const LOST = { name: "TtunError", kind: "lost" };
const PROTOCOL = { name: "TtunError", kind: "protocol" };

/** A stream whose peer's connections last, the other end, and the socket. */
function lasting(
  o: TtEndOptions & { capacity?: number } = {},
): [TtStream, Connection, near: Connection] {
  const { capacity = 1 << 20, ...rest } = o;
  const [near, far] = memoryPair({ capacity });
  return [ttStream(near, { peer: "lasting", ...rest }), far, near];
}

/** The second stream of a connection, of which nothing has come, and the other end. */
function second(): [TtStream, Connection] {
  const [near, far] = memoryPair({ capacity: 1 << 20 });
  const connection = ttConnection(near, { peer: "lasting" });
  connection.begin();
  return [connection.begin(), far];
}

Deno.test("each way ends by a frame without a text, the connection stays, and nothing is over before both", () => {
  const [a, b] = ttPair({ peer: "lasting" });
  write(a, utf8("bye"));
  a.closeWrite();
  assert.deepEqual(readNowAll(b), { bytes: utf8("bye"), isEnded: true });
  assert.deepEqual([a.isOver, b.isOver], [false, false]);
  write(b, utf8("wait"));
  assert.deepEqual(readNowAll(a), { bytes: utf8("wait"), isEnded: false });
  b.closeWrite();
  assert.deepEqual([a.isOver, b.isOver], [false, true]);
  assert.equal(readNowAll(a).isEnded, true);
  assert.equal(readNowAll(a).isEnded, true); // it stays the end
  assert.equal(a.isOver, true);
  assert.equal(a.stats().peerClosed, false);
});

Deno.test("an end is sent once, and nothing is written behind it", () => {
  const [stream, far] = lasting();
  write(stream, utf8("x"));
  stream.closeWrite();
  stream.closeWrite();
  assert.throws(() => stream.writeNow(utf8("y")), LOST);
  const { bytes, isEnded } = readNowAll(far);
  assert.equal(isEnded, false);
  const texts = framesIn(bytes, true).map(({ text }) => text);
  assert.deepEqual(texts, [utf8("x"), new Uint8Array()]);
});

Deno.test("to a peer whose connections do not last the end is FIN", () => {
  for (const peer of ["unmarked", "marked"] as const) {
    const [stream, far] = lasting({ peer });
    stream.closeWrite();
    assert.deepEqual(readNowAll(far), { bytes: new Uint8Array(), isEnded: true });
    far.closeWrite();
    assert.equal(readNowAll(stream).isEnded, true);
    assert.equal(stream.isOver, false);
  }
});

Deno.test("an end behind texts is found wherever it is cut; what follows it is the next stream's", () => {
  const texts = [utf8("one"), pattern(300), utf8("last")];
  const line = concat(...texts.map((text) => frameOf(text, 12 + text.length % 21)), END);
  const next = frameOf(utf8("next"));
  for (const size of [1, 200, 1 << 17]) {
    for (let cut = 0; cut <= line.length; cut++) {
      const [near, far] = memoryPair({ capacity: 1 << 20 });
      const connection = ttConnection(near, { peer: "lasting" });
      const stream = connection.begin();
      write(far, line.subarray(0, cut));
      const before = readNowAll(stream, size);
      write(far, concat(line.subarray(cut), next));
      const after = readNowAll(stream, size);
      assert.deepEqual(concat(before.bytes, after.bytes), concat(...texts), `cut at ${cut}`);
      assert.equal(after.isEnded, true);
      assert.deepEqual(readNowAll(connection.begin()).bytes, utf8("next"), `cut at ${cut}`);
    }
  }
});

Deno.test("a FIN instead of an end is a loss, also inside a frame; before anything came it is none", () => {
  const [stream, far] = lasting();
  write(far, frameOf(utf8("all that comes")));
  far.closeWrite();
  assert.equal(stream.readNow(new Uint8Array(100)), 14);
  assert.throws(() => stream.readNow(new Uint8Array(100)), LOST);
  const [inside, its] = lasting();
  write(its, END.subarray(0, 20));
  its.closeWrite();
  assert.throws(() => inside.readNow(new Uint8Array(100)), PROTOCOL);
  const [idle, other] = second();
  other.closeWrite();
  assert.equal(idle.readNow(new Uint8Array(100)), null);
  assert.equal(idle.isOver, false);
});

Deno.test("an end is refused from a peer whose connections do not last, and as a stream's first frame", () => {
  for (
    const [stream, far] of [lasting({ peer: "unmarked" }), lasting({ peer: "marked" }), second()]
  ) {
    write(far, END);
    assert.throws(() => stream.readNow(new Uint8Array(100)), PROTOCOL);
  }
});

Deno.test("no bit of an end can be flipped, but in the padding", () => {
  const padding = { first: 8 * 13, last: 8 * 21 };
  for (let bit = 0; bit < 8 * END.length; bit++) {
    const [stream, far] = lasting();
    const flipped = END.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    write(far, flipped);
    far.closeWrite();
    const isPadding = bit >= padding.first && bit < padding.last;
    if (isPadding) assert.equal(stream.readNow(new Uint8Array(100)), null);
    else assert.throws(() => stream.readNow(new Uint8Array(100)), `bit ${bit}`);
  }
});

Deno.test("a stream that is over leaves its connection idle, once, and has nothing to do with it then", async () => {
  const given: TtConnection[] = [];
  const [stream, far, near] = lasting({ idle: { put: (connection) => given.push(connection) } });
  write(far, END);
  assert.equal(readNowAll(stream).isEnded, true);
  stream.closeWrite();
  await stream[Symbol.asyncDispose]();
  await stream[Symbol.asyncDispose]();
  stream.reset();
  assert.deepEqual([given.length, isClosed(near), far.stats().peerClosed], [1, false, false]);
});

Deno.test("one that is not over, or whose other end says more than its end, closes its connection", async () => {
  const cases: [string, (stream: TtStream, far: Connection) => void][] = [
    ["nothing has ended", () => {}],
    ["only the other way has ended", (_, far) => void write(far, END)],
    ["only this way has ended", (stream) => void stream.closeWrite()],
    ["something stands behind the end", (stream, far) => {
      write(far, concat(END, Uint8Array.of(1)));
      stream.closeWrite();
    }],
    ["text has not been read", (stream, far) => {
      write(far, concat(frameOf(utf8("two")), END));
      stream.closeWrite();
      stream.readNow(new Uint8Array(1));
    }],
  ];
  for (const [what, act] of cases) {
    let given = 0;
    const [stream, far, near] = lasting({ idle: { put: () => given++ } });
    act(stream, far);
    if (!what.startsWith("text")) readNowAll(stream);
    await stream[Symbol.asyncDispose]();
    assert.deepEqual([given, isClosed(near)], [0, true], what);
  }
});

Deno.test("who closes without an end has ended; who resets, or has more to send, has not", async () => {
  const [closed, far] = lasting();
  write(closed, utf8("all"));
  await closed[Symbol.asyncDispose]();
  assert.deepEqual(framesIn(readNowAll(far).bytes, true).map(({ text }) => text.length), [3, 0]);
  const [late, its] = lasting({ capacity: 100 });
  late.writeNow(pattern(2000));
  await late[Symbol.asyncDispose]();
  assert.throws(() => readNowAll(ttStream(its, { peer: "lasting" })), PROTOCOL);
  const [cut, other] = lasting();
  cut.reset();
  await cut[Symbol.asyncDispose]();
  assert.throws(() => other.readNow(new Uint8Array(1)), LOST);
});

Deno.test("an end that the socket does not take at once is waited for", async () => {
  const [stream, far] = lasting({ capacity: 10 });
  const ending = stream.closeWrite();
  assert.ok(ending instanceof Promise);
  write(far, END.subarray(0, 10));
  let isOver = false;
  ending.then(() => isOver = true);
  const parts: Uint8Array[] = [];
  while (!isOver) {
    parts.push(readNowAll(far).bytes);
    await Promise.resolve();
  }
  parts.push(readNowAll(far).bytes);
  assert.deepEqual(framesIn(concat(...parts), true).map(({ text }) => text.length), [0]);
  const [broken, its] = lasting({ capacity: 10 });
  const failing = broken.closeWrite();
  its.reset();
  await assert.rejects(async () => await failing, LOST);
});

Deno.test("where the peer has ended by a frame and its connection is closed, it is gone; not before", () => {
  const [stream, far] = lasting();
  write(far, END);
  assert.equal(readNowAll(stream).isEnded, true);
  assert.equal(stream.stats().isGone, false);
  far.closeWrite();
  assert.equal(stream.stats().isGone, true);
  stream.closeWrite();
  assert.equal(stream.stats().isGone, false, "both ways are over: nobody is missed");
});
