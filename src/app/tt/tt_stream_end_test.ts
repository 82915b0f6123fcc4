import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
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
import { OwedEnds } from "./owed_ends.ts";
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
    const clock = new FakeClock();
    const [stream, far, near] = lasting({ clock, idle: { put: () => given++ } });
    act(stream, far);
    if (!what.startsWith("text")) readNowAll(stream);
    await stream[Symbol.asyncDispose]();
    await clock.advance(2000); // where only this way has ended, the other has as long
    assert.deepEqual([given, isClosed(near), clock.pending], [0, true, 0], what);
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

/** Sizes of the frames in each write to a socket from now on; 0 = an end. */
function writesOf(socket: Connection): number[][] {
  const writes: number[][] = [];
  const { writeNow } = socket;
  socket.writeNow = (bytes) => {
    writes.push(framesIn(bytes, true).map(({ text }) => text.length));
    return writeNow.call(socket, bytes);
  };
  return writes;
}

Deno.test("last bytes and the end are one write, if the socket takes it and all fit", () => {
  const [stream, far, near] = lasting();
  const writes = writesOf(near);
  assert.equal(stream.writeNow(pattern(2000), true), 2000);
  assert.equal(writes.length, 0);
  stream.closeWrite();
  assert.deepEqual(writes.map((sizes) => sizes.at(-1)), [0]);
  const texts = framesIn(readNowAll(far).bytes, true).map(({ text }) => text);
  assert.deepEqual(concat(...texts), pattern(2000));
  const [big, its, socket] = lasting();
  const many = writesOf(socket);
  assert.equal(big.writeNow(pattern(300_000), true), 300_000);
  big.closeWrite();
  assert.equal(many.flat().filter((size) => size === 0).length, 1);
  assert.equal(many.at(-1)!.at(-1), 0);
  assert.ok(many.at(-1)!.length > 1);
  const all = framesIn(readNowAll(its).bytes, true).map(({ text }) => text);
  assert.deepEqual(concat(...all), pattern(300_000));
});

Deno.test("last bytes to a peer whose connections do not last are written at once", () => {
  const [stream, far] = lasting({ peer: "marked" });
  stream.writeNow(utf8("bye"), true);
  assert.deepEqual(framesIn(readNowAll(far).bytes).map(({ text }) => text), [utf8("bye")]);
});

/** A stream that the peer has ended, and that ends too; its end is owed. */
function owing(o: { capacity?: number } = {}) {
  const clock = new FakeClock();
  const life = new AbortController();
  const owed = new OwedEnds(clock, life.signal);
  const [near, far] = memoryPair({ capacity: 1 << 20, ...o, signalA: life.signal });
  const connection = ttConnection(near, { peer: "lasting", owed, idle: { put: () => {} } });
  const stream = connection.begin();
  const writes = writesOf(near);
  write(stream, utf8("question"));
  write(far, concat(frameOf(utf8("answer")), END));
  assert.equal(readNowAll(stream).isEnded, true);
  stream.closeWrite();
  assert.deepEqual([writes.splice(0), stream.isOver], [[[8]], true]);
  return { clock, life, owed, connection, stream, writes, near, far };
}

Deno.test("the last end of a stream travels with the next stream's first frames", async () => {
  const { clock, owed, connection, writes, stream } = owing();
  await stream[Symbol.asyncDispose]();
  const next = connection.begin();
  next.writeFrames([utf8("next"), utf8("words")]);
  assert.deepEqual(writes, [[0, 4, 5]]);
  await clock.advance(5);
  owed[Symbol.dispose]();
  assert.deepEqual([writes.length, clock.pending], [1, 0]);
});

Deno.test("without a next stream the last end is sent 5 ms later", async () => {
  const { clock, writes } = owing();
  await clock.advance(4);
  assert.deepEqual(writes, []);
  await clock.advance(1);
  assert.deepEqual([writes, clock.pending], [[[0]], 0]);
});

const CLOSES: [string, (o: ReturnType<typeof owing>) => unknown][] = [
  ["the connection is closed", ({ connection }) => connection[Symbol.asyncDispose]()],
  ["the connections' life ends", ({ life }) => life.abort(new Error("the test is over"))],
  ["the ends' owner ends", ({ owed }) => owed[Symbol.dispose]()],
  ["the next stream is given up at once", ({ connection }) => connection.begin().reset()],
];

for (const [what, act] of CLOSES) {
  Deno.test(`the last end is sent before ${what}`, async () => {
    const one = owing();
    await act(one);
    assert.deepEqual(one.writes, [[0]]);
    one.owed[Symbol.dispose]();
    assert.deepEqual([one.writes.length, one.clock.pending], [1, 0]);
  });
}

Deno.test("an end that is owed to a peer that has gone is forgotten", async () => {
  const { clock, far, connection } = owing();
  far.reset();
  await clock.advance(5);
  await connection[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("where the peer has not ended, or the last bytes go too, the end waits for nothing", async () => {
  const clock = new FakeClock();
  using owed = new OwedEnds(clock, new AbortController().signal);
  const [stream, , near] = lasting({ owed });
  const writes = writesOf(near);
  stream.closeWrite();
  assert.deepEqual(writes, [[0]]);
  const [other, far, socket] = lasting({ owed });
  write(far, END);
  readNowAll(other);
  const its = writesOf(socket);
  other.writeNow(utf8("bye"), true);
  other.closeWrite();
  assert.deepEqual([its, clock.pending], [[[3, 0]], 0]);
  await stream[Symbol.asyncDispose]();
});

/** A closed stream whose end the peer has not answered yet. */
async function closed() {
  const clock = new FakeClock();
  const given: TtConnection[] = [];
  const idle = { put: (connection: TtConnection) => given.push(connection) };
  const [stream, far, near] = lasting({ clock, idle });
  write(stream, utf8("all"));
  stream.closeWrite();
  await stream[Symbol.asyncDispose]();
  await stream[Symbol.asyncDispose]();
  assert.deepEqual([given.length, isClosed(near)], [0, false]);
  return { clock, given, stream, far, near };
}

Deno.test("a stream closed behind its end leaves its connection idle when the peer's end comes", async () => {
  const { clock, given, far, near } = await closed();
  await clock.advance(1999);
  assert.equal(isClosed(near), false);
  write(far, END);
  await clock.settle();
  assert.deepEqual([given.length, isClosed(near), clock.pending], [1, false, 0]);
});

const OTHERS: [string, (o: Awaited<ReturnType<typeof closed>>) => unknown][] = [
  ["more of it comes", ({ far }) => write(far, frameOf(pattern(3000)))],
  ["its end comes, and something behind it", ({ far }) => write(far, concat(END, END))],
  ["the connection ends", ({ far }) => far.closeWrite()],
  ["the connection is reset", ({ far }) => far.reset()],
  ["the stream is reset", ({ stream }) => stream.reset()],
];

for (const [what, act] of OTHERS) {
  Deno.test(`a stream closed behind its end closes its connection when ${what}`, async () => {
    const one = await closed();
    act(one);
    await one.clock.settle();
    assert.deepEqual([one.given.length, isClosed(one.near), one.clock.pending], [0, true, 0]);
  });
}
