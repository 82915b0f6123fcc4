import assert from "node:assert/strict";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { Hold, slowly } from "../../../tests/fake/link.ts";
import { SendQueueWorld } from "../../../tests/fake/send_queue.ts";
import type { Packets } from "../../contract/batch.ts";

const PATIENCE = 5;
const RELAX = 1_000;

/** Bulk of one flow. */
function bulk(count: number, first = 0, flow = 1): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => flowPacket(flow, first + i, 1_400));
}

const marksOf = (packets: Uint8Array[]) => packets.map(markOf);

Deno.test("a link that takes packets at once gets each batch as it is, and it comes back at once", () => {
  const w = new SendQueueWorld();
  for (let i = 0; i < 5; i++) {
    const packets = [flowPacket(1, i, 900), flowPacket(2, i)];
    const { back, isNow } = w.offer(...packets);
    assert.equal(isNow, true);
    assert.equal(back, w.batches[0]);
    assert.equal(w.link.batches.at(-1), w.batches[0]);
    assert.deepEqual(w.link.sent.slice(-2), packets);
  }
  assert.deepEqual([w.clock.pending, w.link.little, w.queue.failure], [0, [], null]);
});

Deno.test("a link that takes a little time, too: the same batch comes back when it has taken it", async () => {
  const w = new SendQueueWorld();
  for (const ms of [0, 1, PATIENCE - 0.1]) {
    w.link.onSend = slowly(w.clock, ms);
    const began = w.clock.now();
    const offered = w.offer(...bulk(3));
    assert.equal(offered.isNow, false);
    await w.clock.advance(ms);
    assert.equal(w.clock.pending, 0, "its own timer has gone");
    await w.clock.advance(PATIENCE + 1);
    assert.equal(offered.back, w.batches[0]);
    assert.equal(offered.at, began + ms);
  }
  assert.equal(w.link.sent.length, 9);
  assert.deepEqual([w.clock.pending, w.link.little, w.queue.droppedLate], [0, [], 0]);
});

Deno.test("after 5 ms another batch comes back, while the first is still lent", async () => {
  const w = new SendQueueWorld();
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  const offered = w.offer(...bulk(3));
  await w.clock.advance(PATIENCE - 0.1);
  assert.equal(offered.back, null);
  await w.clock.advance(0.1);
  assert.deepEqual([offered.at, w.clock.pending], [PATIENCE, 0]);
  assert.equal(offered.back, w.batches[1]);
  // The link would notice if the other were touched now.
  for (let i = 0; i < 4; i++) {
    const { back, at } = await settled(w, w.offer(...bulk(10, 100 + 10 * i)));
    assert.equal(back, w.batches[1]);
    assert.equal(at, PATIENCE);
  }
  assert.deepEqual([w.link.counts, w.link.sent.length], [[3], 0]);
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.equal(w.queue.failure, null);
  assert.deepEqual(marksOf(w.link.sent), [
    0,
    1,
    2,
    ...Array.from({ length: 40 }, (_, i) => 100 + i),
  ]);
});

async function settled<T>(w: SendQueueWorld, what: T, ms = 0): Promise<T> {
  await w.clock.advance(ms);
  return what;
}

Deno.test("a slow link with nothing behind what it takes is not told to hold little", async () => {
  const w = new SendQueueWorld();
  w.link.onSend = slowly(w.clock, 50);
  w.offer(...bulk(3));
  await w.clock.advance(100);
  assert.deepEqual([w.link.little, w.link.counts, w.clock.pending], [[], [3], 0]);
  w.link.onSend = () => {};
  const again = w.offer(...bulk(1, 3));
  assert.equal(again.isNow, true);
  assert.equal(w.link.batches.at(-1), again.back);
});

Deno.test("a link with queued packets is told to hold little, and gets it in portions, small ones first", async () => {
  const w = new SendQueueWorld();
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  w.offer(...bulk(3));
  await w.clock.advance(PATIENCE);
  for (let i = 0; i < 5; i++) {
    w.offer(...bulk(20, 100 + 20 * i), flowPacket(50 + i, 900 + i));
    await w.clock.settle();
  }
  assert.deepEqual(w.link.little, []);
  hold.release();
  await w.clock.settle();
  assert.deepEqual(w.link.little, [true]);
  while (hold.isHeld) {
    hold.release();
    await w.clock.settle();
  }
  assert.deepEqual(w.link.little, [true]);
  assert.deepEqual(marksOf(w.link.sent), [
    ...[0, 1, 2],
    ...[900, 901, 902, 903, 904],
    ...Array.from({ length: 100 }, (_, i) => 100 + i),
  ]);
  assert(w.link.counts.slice(1).every((count) => count <= 28), `${w.link.counts}`);
  assert.equal(w.queue.droppedLate, 0);
});

Deno.test("what comes while the packet queue is sent waits its turn in it", async () => {
  const w = new SendQueueWorld();
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  w.offer(...bulk(3));
  await w.clock.advance(PATIENCE);
  w.offer(...bulk(60, 10));
  await w.clock.settle();
  hold.release();
  await w.clock.settle();
  assert.equal(w.link.counts.length, 2);
  w.offer(flowPacket(2, 1_000), flowPacket(1, 1_001));
  await w.clock.settle();
  hold.release();
  await w.clock.settle();
  assert.equal(w.link.counts.length, 3);
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  const all = marksOf(w.link.sent);
  assert.equal(all[w.link.counts[0]! + w.link.counts[1]!], 1_000);
  assert.deepEqual([all.length, all.at(-1)], [65, 1_001]);
});

/** Brings a packet queue about, and lets it go again. The batch to read into meanwhile. */
async function spell(w: SendQueueWorld, first: number): Promise<Packets | null> {
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  const { back } = await settled(w, w.offer(...bulk(3, first)), PATIENCE);
  w.offer(...bulk(3, first + 3));
  await w.clock.settle();
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  return back;
}

Deno.test("there are two batches: what the link has is never the one that is read into", async () => {
  const w = new SendQueueWorld();
  for (let i = 0; i < 6; i++) {
    assert.equal(await spell(w, 10 * i), w.batches[(i + 1) % 2]);
    assert(w.link.batches.every((batch) => w.batches.includes(batch)));
  }
  assert.deepEqual([w.link.sent.length, w.queue.failure], [36, null]);
});

Deno.test("after queueing packets go directly again; a second later the link may hold more", async () => {
  const w = new SendQueueWorld();
  await spell(w, 0);
  assert.deepEqual([w.link.little, w.link.sent.length], [[true], 6]);
  const direct = (mark: number) => {
    const { back, isNow } = w.offer(flowPacket(1, mark));
    assert.equal(isNow, true);
    assert.equal(w.link.batches.at(-1), back);
  };
  direct(6);
  await w.clock.advance(RELAX);
  direct(7);
  assert.deepEqual(w.link.little, [true]);
  await w.clock.advance(1);
  direct(8);
  direct(9);
  assert.deepEqual(w.link.little, [true, false]);
  assert.deepEqual(marksOf(w.link.sent), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(w.clock.pending, 0);
});

Deno.test("it is a second after the last queueing, not the first", async () => {
  const w = new SendQueueWorld();
  await spell(w, 0);
  await w.clock.advance(900);
  await spell(w, 10);
  await w.clock.advance(900);
  w.offer(flowPacket(1, 20));
  assert(!w.link.little.includes(false));
  await w.clock.advance(200);
  w.offer(flowPacket(1, 21));
  assert.equal(w.link.little.at(-1), false);
  await w.clock.advance(5_000);
  w.offer(flowPacket(1, 22));
  assert.equal(w.link.little.filter((little) => !little).length, 1);
  assert.equal(w.link.sent.length, 15);
});

Deno.test("packets that wait too long in a link that stands are dropped now and then, and counted", async () => {
  const w = new SendQueueWorld();
  w.link.onSend = slowly(w.clock, 40);
  let offered = 0;
  for (let i = 0; i < 60; i++) {
    w.offer(...bulk(100, offered));
    offered += 100;
    await w.clock.advance(30);
    if (w.isWaiting) break;
  }
  await w.clock.advance(60_000);
  assert(w.queue.droppedLate > 20, `${w.queue.droppedLate}`);
  assert.equal(w.link.sent.length + w.queue.droppedLate, offered);
  const sent = marksOf(w.link.sent);
  assert.deepEqual(sent, sent.toSorted((a, b) => a - b));
  assert.equal(w.clock.pending, 0);
});
