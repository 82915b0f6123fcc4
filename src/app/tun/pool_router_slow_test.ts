import assert from "node:assert/strict";
import { between, marksAtEnd, PoolRouterWorld, SERVER4 } from "../../../tests/fake/pool_router.ts";
import { Hold, slowly } from "../../../tests/fake/link.ts";
import { TtunError } from "../../base/errors.ts";

const A = ["10.8.0.2/24"];
const B = ["10.8.0.3/24"];

const toA = (mark: number, size = 1_280) => between(SERVER4, "10.8.0.2", mark, size);
const toB = (mark: number, size = 1_280) => between(SERVER4, "10.8.0.3", mark, size);
const upTo = (count: number) => [...Array(count).keys()];

/** Injects `count` packets for each of both clients, in turn, and lets them be read as they come. */
async function feed(w: PoolRouterWorld, count: number, first = 0): Promise<void> {
  for (let i = first; i < first + count; i += 50) {
    const marks = upTo(Math.min(50, first + count - i)).map((n) => i + n);
    w.device.inject(...marks.flatMap((mark) => [toA(mark), toB(mark)]));
    await w.clock.settle();
  }
}

Deno.test("a link that never takes its packets holds up nobody else", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  a.link.onSend = new Hold().onSend;
  await feed(w, 2_000);
  assert.deepEqual(marksAtEnd(b.link.sent), upTo(2_000));
  assert.deepEqual([w.device.queued, a.link.sent.length, a.error], [0, 0, undefined]);
  a.link.deliver(between("10.8.0.2", SERVER4, 1));
  await w.clock.settle();
  assert.equal(w.device.written.length, 1, "and itself still sends");
  await a.leave();
});

Deno.test("what waits for a slow link is so much and no more; the rest is dropped, and counted in the end", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  const hold = new Hold();
  a.link.onSend = hold.onSend;
  await feed(w, 2_000);
  assert.equal(w.router.counters.droppedLate, 0);
  a.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  const sent = marksAtEnd(a.link.sent);
  assert(sent.length > 300 && sent.length < 700, `${sent.length} of 2000`);
  assert.deepEqual(sent, upTo(sent.length));
  assert.deepEqual(a.link.little, [true]);
  w.device.inject(toA(5_000));
  await w.clock.settle();
  assert.equal(marksAtEnd(a.link.sent).at(-1), 5_000);
  await a.leave();
  assert.equal(w.router.counters.droppedLate, 2_000 - sent.length);
  assert.deepEqual([b.link.little, b.link.sent.length], [[], 2_000]);
});

Deno.test("small packets of a slow link go before its bulk", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  const hold = new Hold();
  a.link.onSend = hold.onSend;
  w.device.inject(toA(0));
  await w.clock.settle();
  w.device.inject(...upTo(100).map((i) => toA(1 + i)));
  const key = between(SERVER4, "10.8.0.2", 999, 100);
  key[9] = 1; // of another flow
  w.device.inject(key);
  await w.clock.settle();
  a.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(a.link.sent).slice(0, 3), [0, 999, 1]);
  assert.equal(a.link.sent.length, 102);
});

Deno.test("a client that leaves while packets wait for it ends its session, and its address is free", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  a.link.onSend = new Hold().onSend;
  await feed(w, 200);
  await a.leave();
  assert.equal(a.error, null);
  await feed(w, 50, 200);
  assert.equal(w.router.counters.droppedWithoutPeer, 50);
  const again = w.join("again", A);
  await feed(w, 50, 250);
  assert.deepEqual(marksAtEnd(again.link.sent), upTo(50).map((i) => 250 + i));
  assert.deepEqual(marksAtEnd(b.link.sent), upTo(300));
  assert.equal(a.link.sent.length, 0);
});

Deno.test("a session that its client ends does not wait for what is still under way to it", async () => {
  await using w = new PoolRouterWorld();
  const [a] = [w.join("a", A), w.join("b", B)];
  a.link.onSend = slowly(w.clock, 40);
  await feed(w, 500);
  await w.clock.advance(100);
  a.link.end();
  await a.ended;
  assert.equal(a.error, null);
  await w.clock.advance(60_000); // nobody closes it: what waits goes its way
  assert(a.link.sent.length > 300);
  const before = w.router.counters.droppedWithoutPeer;
  w.device.inject(toA(500));
  await w.clock.settle();
  assert.equal(w.router.counters.droppedWithoutPeer, before + 1);
});

Deno.test("a link that fails while it is sent to ends its session with that failure, at any moment", async () => {
  const failure = new TtunError("lost", "cannot send");
  for (const moment of ["at once", "later", "with a queue", "with a portion"]) {
    await using w = new PoolRouterWorld();
    const [a, b] = [w.join("a", A), w.join("b", B)];
    const hold = new Hold();
    a.link.onSend = hold.onSend;
    if (moment === "at once") {
      a.link.onSend = () => {
        throw failure;
      };
    }
    await feed(w, 1);
    if (moment.startsWith("with")) await feed(w, 200, 1);
    if (moment === "with a portion") {
      hold.release();
      await w.clock.settle();
    }
    if (moment !== "at once") hold.fail(failure);
    await a.ended;
    assert.equal(a.error, failure, moment);
    assert.equal(a.link.disposed, 1);
    await feed(w, 20, 1_000);
    assert.equal(w.router.counters.droppedWithoutPeer, 20);
    assert.equal(marksAtEnd(b.link.sent).at(-1), 1_019);
  }
});

Deno.test("of many clients the slow ones alone have packets queued", async () => {
  await using w = new PoolRouterWorld();
  const clients = upTo(40).map((i) => w.join(`${i}`, [`10.8.0.${i + 2}/24`]));
  const slow = clients.filter((_, i) => i % 4 === 0);
  for (const { link } of slow) link.onSend = slowly(w.clock, 7);
  const packets = (mark: number) =>
    upTo(40).map((i) => between(SERVER4, `10.8.0.${i + 2}`, mark, 400));
  for (let mark = 0; mark < 100; mark++) {
    w.device.inject(...packets(mark));
    await w.clock.advance(1);
    for (const [i, { link }] of clients.entries()) {
      if (i % 4 !== 0) assert.equal(link.sent.length, mark + 1);
    }
  }
  await w.clock.advance(1_000);
  assert.equal(w.device.queued, 0);
  for (const [i, { link }] of clients.entries()) {
    assert.deepEqual(marksAtEnd(link.sent), upTo(100));
    assert.deepEqual(link.little.includes(true), i % 4 === 0);
  }
});
