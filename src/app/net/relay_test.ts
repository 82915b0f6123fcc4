import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MuxPair } from "../../../tests/fake/mux_end.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { FRAMES, pattern, readNowAll, SCRATCH, ttPair } from "../../../tests/fake/tt_ends.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { type RelayCount, Relays } from "./relay.ts";
import { read, write } from "../loop/stream_io.ts";

const LOST = { kind: "lost" };

/** A relay that runs between two connections; `left` and `right` are their far ends. */
function start(
  o: {
    idleMs?: number;
    halfClosedMs?: number;
    capacity?: number;
    signal?: AbortSignal;
    tt?: boolean;
  } = {},
) {
  const clock = new FakeClock();
  const capacity = o.capacity === undefined ? {} : { capacity: o.capacity };
  const signal = o.signal === undefined ? {} : { signalB: o.signal };
  const pair = (): [Stream, Stream] =>
    o.tt ? ttPair({ ...capacity, peer: "marked" }) : memoryPair({ ...capacity, ...signal });
  const [left, first] = pair();
  const [right, second] = pair();
  const count: RelayCount = { up: 0, down: 0 };
  const { idleMs = Infinity, halfClosedMs } = o;
  const half = halfClosedMs === undefined ? {} : { halfClosedMs };
  const relays = new Relays({ clock, scratch: SCRATCH, idleMs, ...half });
  const ended = relays.run(first, second, count).finally(() => relays[Symbol.dispose]());
  ended.catch(() => {}); // each test looks at it in its own time
  return { clock, left, right, first, second, count, ended };
}

function isReset(stream: Stream): void {
  assert.throws(() => stream.readNow(new Uint8Array(1)), LOST);
}

Deno.test("bytes go both ways and are counted; when both have ended it is over", async () => {
  const { clock, left, right, count, ended } = start();
  write(left, utf8("question"));
  write(right, utf8("the answer"));
  await clock.settle();
  assert.deepEqual(readNowAll(right).bytes, utf8("question"));
  assert.deepEqual(readNowAll(left).bytes, utf8("the answer"));
  left.closeWrite();
  right.closeWrite();
  await ended;
  assert.deepEqual(count, { up: 8, down: 10 });
  assert.equal(clock.pending, 0);
});

Deno.test("a FIN is passed on at once, and the other way goes on for as long as it likes", async () => {
  for (const isUp of [true, false]) {
    const { clock, left, right, ended } = start();
    const [done, other] = isUp ? [left, right] : [right, left];
    write(done, utf8("last words"));
    done.closeWrite();
    await clock.settle();
    assert.deepEqual(readNowAll(other), { bytes: utf8("last words"), isEnded: true });
    for (let i = 0; i < 3; i++) {
      await clock.advance(1_000_000);
      write(other, utf8("more"));
      await clock.settle();
      assert.deepEqual(readNowAll(done), { bytes: utf8("more"), isEnded: false });
    }
    other.closeWrite();
    await ended;
    assert.equal(readNowAll(done).isEnded, true);
  }
});

Deno.test("a reset of either end is a reset of the other, not an end", async () => {
  for (const isUp of [true, false]) {
    const { clock, left, right, ended } = start();
    const [gone, other] = isUp ? [left, right] : [right, left];
    gone.reset();
    await assert.rejects(clock.until(ended), LOST);
    isReset(other);
  }
});

Deno.test("a reset after one way has ended is still a reset for the other end", async () => {
  const { clock, left, right, ended } = start();
  left.closeWrite();
  await clock.settle();
  assert.equal(readNowAll(right).isEnded, true);
  left.reset();
  write(right, utf8("to nobody"));
  await assert.rejects(clock.until(ended), LOST);
  assert.throws(() => write(right, utf8("x")), LOST);
});

/** An upload to a target that has taken a part of it; the far ends. */
async function upload(o: { tt?: boolean; isBlocked?: boolean } = {}) {
  const relay = start({ capacity: 10_000, tt: o.tt === true });
  const sending = (async () => await write(relay.left, pattern(400_000)))();
  sending.catch(() => {});
  await relay.clock.settle();
  return { ...relay, sending };
}

Deno.test("what a target said before it closed on an upload is delivered, and the sender hears the end", async () => {
  const { clock, left, right, second, sending, ended } = await upload();
  right.writeNow(utf8("413 too big"));
  // Like in the kernel, a write reports the reset, and bytes that came before can still be read.
  second.writeNow = () => {
    throw new TtunError("lost", "reset");
  };
  right.closeWrite();
  right.readNow(new Uint8Array(10_000));
  await clock.settle();
  assert.deepEqual(readNowAll(left), { bytes: utf8("413 too big"), isEnded: true });
  await sending; // all of it is taken, and dropped
  left.closeWrite();
  await clock.until(ended);
  assert.equal(clock.pending, 0);
  assert.equal(clock.now(), 0, "nothing had to wait for a time-out");
});

Deno.test("a sender that does not stop then is reset: two seconds after its last byte", async () => {
  const { clock, left, right, second, ended } = await upload();
  right.writeNow(utf8("413 too big"));
  second.writeNow = () => {
    throw new TtunError("lost", "reset");
  };
  right.closeWrite();
  right.readNow(new Uint8Array(10_000));
  await clock.settle();
  await clock.advance(1999);
  assert.deepEqual(readNowAll(left), { bytes: utf8("413 too big"), isEnded: true });
  left.writeNow(utf8("more"));
  await clock.advance(1999);
  left.writeNow(utf8("more"));
  await clock.settle();
  const failed = assert.rejects(ended, { message: "reset" });
  await clock.advance(2000);
  await failed;
  assert.throws(() => left.writeNow(utf8("more")), LOST);
  assert.equal(clock.pending, 0);
});

for (const tt of [false, true]) {
  const over = tt ? "frames" : "plain streams";
  Deno.test(`a reset of the target comes behind what it said, and holds a sender back before, over ${over}`, async () => {
    const { clock, left, right, count, ended } = await upload({ tt });
    const up = count.up;
    right.writeNow(utf8("413 too big"));
    right.reset();
    await clock.settle();
    assert.deepEqual(readNowAll(left), { bytes: utf8("413 too big"), isEnded: false });
    await clock.advance(1999);
    assert.deepEqual(readNowAll(left), { bytes: new Uint8Array(), isEnded: false });
    const failed = assert.rejects(ended, LOST);
    await clock.advance(1);
    isReset(left);
    await failed;
    assert.ok(count.up <= up + 20_000, "the rest was not taken for nobody");
    assert.equal(clock.pending, 0);
  });
}

Deno.test("without an answer, and where nothing is being sent, a reset of the target is one at once", async () => {
  for (const isAnswered of [true, false]) {
    const { clock, left, right, ended } = isAnswered ? start() : await upload();
    if (isAnswered) right.writeNow(utf8("200 OK"));
    await clock.settle();
    right.reset();
    await assert.rejects(clock.until(ended), LOST);
    if (isAnswered) assert.equal(left.readNow(new Uint8Array(10)), 6);
    isReset(left);
    assert.equal(clock.now(), 0);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("without a byte either way for the idle time both ends are reset", async () => {
  const { clock, left, right, ended } = start({ idleMs: 60_000 });
  let isOver = false;
  ended.catch(() => isOver = true);
  for (const from of [left, right, left]) {
    await clock.advance(59_999);
    write(from, utf8("x"));
    await clock.settle();
  }
  await clock.advance(59_999);
  assert.equal(isOver, false);
  await clock.advance(1);
  await assert.rejects(ended, {
    kind: "timeout",
    message: "Closed a connection that was idle for 60 s",
  });
  readNowAllButReset(left);
  readNowAllButReset(right);
  assert.equal(clock.pending, 0);
});

Deno.test("once one way has ended the other may be silent for less long, and goes on while it is not", async () => {
  for (const isUp of [true, false]) {
    const { clock, left, right, ended } = start({ idleMs: 3_600_000, halfClosedMs: 300_000 });
    const [done, other] = isUp ? [left, right] : [right, left];
    await clock.advance(1_000_000);
    done.closeWrite();
    await clock.settle();
    for (let i = 0; i < 3; i++) {
      await clock.advance(290_000);
      write(other, utf8("more"));
      await clock.settle();
    }
    let isOver = false;
    ended.catch(() => isOver = true);
    await clock.advance(299_000);
    assert.equal(isOver, false);
    await clock.advance(6_000);
    await assert.rejects(ended, { kind: "timeout", message: /one way had ended.* 300 s$/ });
    assert.equal(clock.pending, 0);
  }
});

Deno.test("an end that has ended and is gone then is noticed, though its target is silent", async () => {
  const { clock, left, right, ended } = start();
  left.closeWrite();
  await clock.settle();
  assert.equal(readNowAll(right).isEnded, true);
  left.reset();
  await clock.advance(5_000);
  await assert.rejects(ended, LOST);
  assert.equal(right.stats!().isGone, true);
  assert.equal(clock.pending, 0);
});

/** Reads what came, and then a reset. */
function readNowAllButReset(stream: Stream): void {
  assert.throws(() => readNowAll(stream), LOST);
}

Deno.test("no idle time, no timer", async () => {
  const { clock, left, right, ended } = start();
  await clock.advance(10_000_000);
  assert.equal(clock.pending, 0);
  left.closeWrite();
  right.closeWrite();
  await ended;
});

for (const tt of [false, true]) {
  const over = tt ? "frames" : "plain streams";
  Deno.test(`who never reads holds the other end back: bounded bytes are under way, over ${over}`, async () => {
    const { clock, left, right, count, ended } = start({ capacity: 10_000, tt });
    const data = pattern(2_000_000);
    let isWritten = false;
    const writing = Promise.resolve(write(left, data)).then(() => isWritten = true);
    await clock.settle();
    // Two sockets, a chunk of the relay's, a chunk that is sealed and waits.
    assert.ok(count.up < 20_000 + 2 * FRAMES.sealed.length, `${count.up} bytes`);
    assert.equal(isWritten, false);
    const parts: Uint8Array[] = [];
    while (!isWritten) {
      parts.push(readNowAll(right).bytes);
      await setImmediate();
    }
    await writing;
    left.closeWrite();
    for (;;) {
      const { bytes, isEnded } = readNowAll(right);
      parts.push(bytes);
      if (isEnded) break;
      await setImmediate();
    }
    assert.deepEqual(concat(...parts), data);
    right.closeWrite();
    await clock.until(ended);
    assert.equal(count.up, data.length);
  });
}

Deno.test("many relays that share their buffers do not mix their bytes", async () => {
  const relays = Array.from({ length: 8 }, (_, i) => start({ capacity: 1000 + 777 * i, tt: true }));
  const work = relays.map(async ({ left, right }, i) => {
    const data = pattern(40_000, i + 1);
    const reading = readEnd(right);
    await write(left, data);
    await left.closeWrite();
    assert.deepEqual(await reading, data, `relay ${i}`);
    right.closeWrite();
  });
  await Promise.all(work);
  await Promise.all(relays.map(({ ended }) => ended));
});

async function readEnd(stream: Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(5000);
    const got = await read(stream, into);
    if (got === null) return concat(...parts);
    parts.push(into.subarray(0, got));
  }
}

Deno.test("a flood lets the others have a turn", async () => {
  const clock = new FakeClock();
  const [[near], [, end]] = [memoryPair(), memoryPair()];
  let left = 100;
  near.readNow = (into) => left-- > 0 ? into.length : null;
  end.readNow = () => null;
  end.writeNow = (bytes) => bytes.length;
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns++) await setImmediate();
  })();
  using relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
  await relays.run(near, end);
  isOver = true;
  await others;
  assert.ok(turns >= 100 * SCRATCH.plain.length / (1 << 20) - 2, `${turns} turns`);
});

Deno.test("an abort ends it with the reason, and both ends are gone", async () => {
  const stop = new AbortController();
  const { clock, left, right, ended } = start({ signal: stop.signal, idleMs: 1000 });
  await clock.settle();
  const reason = new Error("stop");
  stop.abort(reason);
  await assert.rejects(ended, (error) => error === reason);
  assert.ok(left.stats!().peerClosed && right.stats!().peerClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("an abort, or a cut, in the middle of an upload that was answered ends it at once", async () => {
  for (const how of ["abort", "cut"] as const) {
    const stop = new AbortController();
    const clock = new FakeClock();
    const o = { capacity: 1000, signalB: stop.signal };
    const [[left, first], [right, second]] = [memoryPair(o), memoryPair(o)];
    const cut = how === "cut" ? { cut: stop.signal } : {};
    using relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity, ...cut });
    const ended = relays.run(first, second).then(() => null, (error: unknown) => error);
    right.writeNow(utf8("so far"));
    Promise.resolve(write(left, pattern(100_000))).catch(() => {});
    await clock.settle();
    const reason = new Error("stop");
    stop.abort(reason);
    assert.equal(await clock.until(ended), reason, how);
    assert.deepEqual([clock.now(), clock.pending], [0, 0]);
  }
});

Deno.test("bytes that are lent are copied where they have to wait", async () => {
  const { left, right, clock } = start({ capacity: 4 });
  for (const text of ["abcd", "efgh"]) {
    left.writeNow(utf8(text));
    await clock.settle();
    SCRATCH.plain.fill(0);
  }
  assert.deepEqual(readNowAll(right).bytes, utf8("abcd"));
  await clock.settle();
  assert.deepEqual(readNowAll(right).bytes, utf8("efgh"));
});

Deno.test("of relays that share a timer each ends at its own time, to the millisecond", async () => {
  const clock = new FakeClock();
  using relays = new Relays({ clock, scratch: SCRATCH, idleMs: 1000 });
  const over: string[] = [];
  const begin = (name: string) => {
    const [[left, first], [, second]] = [memoryPair(), memoryPair()];
    relays.run(first, second).catch(() => over.push(`${name} ${clock.now()}`));
    return left;
  };
  begin("a");
  await clock.advance(300);
  const b = begin("b");
  begin("c");
  await clock.advance(400);
  write(b, utf8("x"));
  await clock.settle();
  assert.equal(clock.pending, 1);
  await clock.advance(299);
  assert.deepEqual(over, []);
  await clock.advance(2000);
  assert.deepEqual(over, ["a 1000", "c 1300", "b 1700"]);
  assert.equal(clock.pending, 0);
});

/** Records what is written to a stream, and how. */
function recorded(stream: Stream): unknown[] {
  const calls: unknown[] = [];
  const { writeNow, closeWrite } = stream;
  stream.writeNow = (bytes, isLast) => {
    calls.push([bytes.length, isLast]);
    return writeNow.call(stream, bytes, isLast);
  };
  stream.closeWrite = (closes) => {
    calls.push(closes === true ? "close" : "FIN");
    return closeWrite.call(stream, closes);
  };
  return calls;
}

Deno.test("last bytes are known as such where the end stands behind them; the second end is left to the close", async () => {
  const { clock, left, right, first, second, ended } = start();
  const [toFirst, toSecond] = [recorded(first), recorded(second)];
  write(left, utf8("question"));
  await clock.settle();
  write(right, utf8("half, "));
  await clock.settle();
  write(right, utf8("the answer"));
  right.closeWrite();
  await clock.settle();
  assert.deepEqual(readNowAll(left), { bytes: utf8("half, the answer"), isEnded: true });
  left.closeWrite();
  await ended;
  assert.deepEqual(toFirst, [[6, false], [10, true], "FIN"]);
  assert.deepEqual(toSecond, [[8, false], "close"]);
});

Deno.test("last bytes that must wait keep their end behind them", async () => {
  const { clock, left, right, ended } = start({ capacity: 10 });
  write(right, pattern(10));
  await clock.settle();
  write(right, pattern(10, 2));
  right.closeWrite();
  await clock.settle();
  assert.deepEqual(readNowAll(left), { bytes: pattern(10), isEnded: false });
  await clock.settle();
  assert.deepEqual(readNowAll(left), { bytes: pattern(10, 2), isEnded: true });
  left.closeWrite();
  await ended;
});

Deno.test("a reset that stands right behind bytes follows them", async () => {
  const { clock, left, right, second, count, ended } = start();
  Object.defineProperty(second, "mayEnd", { value: true });
  write(right, utf8("the answer"));
  right.reset();
  await assert.rejects(clock.until(ended), LOST);
  assert.equal(count.down, 10);
  assert.equal(left.readNow(new Uint8Array(100)), 10);
});

/** A stream of one session at both ends, whose records are carried when the clock has a turn. */
function muxPair(clock: FakeClock): { pair: MuxPair; here: MuxStream; there: MuxStream } {
  let isDue = false;
  const wake = () => {
    if (isDue) return;
    isDue = true;
    clock.onTurn(() => {
      isDue = false;
      pair.exchange();
    });
  };
  const pair = new MuxPair({}, wake);
  const [here, there] = pair.connect();
  return { pair, here, there };
}

Deno.test("bytes of sessions go through as they lie there, both ways, and held back", async () => {
  const clock = new FakeClock();
  const { here, there } = muxPair(clock);
  const [[left, first], [right, last]] = [memoryPair({ capacity: 100_000 }), memoryPair()];
  const relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
  const counts = [{ up: 0, down: 0 }, { up: 0, down: 0 }];
  const ended = [relays.run(first, here, counts[0]), relays.run(there, last, counts[1])];
  const data = [pattern(1_500_000), pattern(1_500_000, 2)];
  const work = [[left, right, data[0]!], [right, left, data[1]!]] as const;
  await Promise.all(work.map(async ([from, to, bytes]) => {
    const reading = readEnd(to);
    await write(from, bytes);
    await from.closeWrite();
    assert(Buffer.compare(await reading, bytes) === 0);
  }));
  await clock.until(Promise.all(ended));
  assert.deepEqual(counts, [1, 2].map(() => ({ up: 1_500_000, down: 1_500_000 })));
  relays[Symbol.dispose]();
});

Deno.test("a session's stream that is full is not read for, and what it had not read is dropped at a reset", async () => {
  const clock = new FakeClock();
  const { pair, here, there } = muxPair(clock);
  const [left, first] = memoryPair({ capacity: 2_000_000 });
  const relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
  const count = { up: 0, down: 0 };
  const ended = relays.run(first, here, count);
  write(left, pattern(1_000_000));
  await clock.settle();
  assert(count.up > 150_000 && count.up < 300_000, `${count.up} bytes`); // a window, and a queue
  there.reset();
  pair.exchange();
  await assert.rejects(clock.until(ended), LOST);
  isReset(left);
  assert.equal(pair.client.mux.pool.used, 0);
});

Deno.test("what a session's stream brings stays there while its reader is slow, and follows a failure of it", async () => {
  const clock = new FakeClock();
  const { here, there } = muxPair(clock);
  const [right, last] = memoryPair({ capacity: 10 });
  const relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
  const ended = relays.run(there, last);
  ended.catch(() => {}); // looked at below
  here.writeNow(pattern(25));
  await clock.settle();
  assert.deepEqual(readNowAll(right).bytes, pattern(25).subarray(0, 10));
  await clock.settle();
  right.reset();
  here.writeNow(pattern(25));
  await assert.rejects(clock.until(ended), LOST);
});
