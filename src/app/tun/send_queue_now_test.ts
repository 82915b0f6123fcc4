import assert from "node:assert/strict";
import fc from "fast-check";
import { flowPacket, markOf, marksByFlow } from "../../../tests/fake/flow.ts";
import { Hold, slowly } from "../../../tests/fake/link.ts";
import { SendQueueWorld } from "../../../tests/fake/send_queue.ts";

fc.configureGlobal({ seed: 9 });

const QUEUE_BYTES = 40 * 1_410;

function bulk(count: number, first = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => flowPacket(1, first + i, 1_400));
}

const marksOf = (packets: Uint8Array[]) => packets.map(markOf);
const upTo = (count: number) => [...Array(count).keys()];

/** A link that has the first two packets, and takes them when it is told to. */
function slow(w: SendQueueWorld): Hold {
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  w.offerNow(...bulk(2));
  return hold;
}

Deno.test("offerNow() gives a link that takes packets at once each batch as it is", () => {
  const w = new SendQueueWorld();
  for (let i = 0; i < 4; i++) {
    assert.equal(w.offerNow(...bulk(3, 3 * i)), w.batches[0]);
    assert.equal(w.link.batches.at(-1), w.batches[0]);
  }
  assert.deepEqual(marksOf(w.link.sent), upTo(12));
  assert.deepEqual([w.clock.pending, w.queue.droppedLate, w.link.little], [0, 0, []]);
});

Deno.test("offerNow() never waits: the other batch comes back, and what follows goes into the packet queue", async () => {
  const w = new SendQueueWorld();
  const hold = slow(w);
  for (let i = 0; i < 3; i++) assert.equal(w.offerNow(...bulk(5, 2 + 5 * i)), w.batches[1]);
  assert.equal(w.clock.pending, 0);
  await w.clock.advance(1_000);
  assert.deepEqual(w.link.counts, [2]);
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.deepEqual(marksOf(w.link.sent), upTo(17));
  assert.deepEqual([w.link.little, w.queue.droppedLate], [[true], 0]);
  w.offerNow(...bulk(1, 17));
  assert.deepEqual(marksOf(w.link.sent), upTo(18));
});

Deno.test("offerNow() drops what finds no room, and counts it", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = slow(w);
  w.offerNow(...bulk(30, 2));
  w.offerNow(...bulk(30, 32));
  w.offerNow(...bulk(7, 62));
  assert.equal(w.queue.droppedLate, 20 + 7);
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.deepEqual(marksOf(w.link.sent), upTo(42));
  assert.equal(w.queue.droppedLate, 27);
});

Deno.test("offerNow() drops only what finds no room: small packets have their own", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = slow(w);
  w.offerNow(...bulk(40, 2));
  w.offerNow(...bulk(3, 42), flowPacket(2, 100), flowPacket(3, 101));
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.deepEqual(marksOf(w.link.sent), [0, 1, 100, 101, ...Array.from(bulk(40, 2), markOf)]);
  assert.equal(w.queue.droppedLate, 3);
});

Deno.test("offerNow() lets the link hold more again a second after the last queueing", async () => {
  const w = new SendQueueWorld();
  const hold = slow(w);
  w.offerNow(...bulk(5, 2));
  w.link.onSend = () => {};
  hold.release();
  await w.clock.advance(1_000);
  w.offerNow(...bulk(1, 7));
  assert.deepEqual(w.link.little, [true]);
  await w.clock.advance(1);
  w.offerNow(...bulk(1, 8));
  assert.deepEqual(w.link.little, [true, false]);
  w.offerNow(...bulk(1, 9));
  assert.deepEqual(w.link.little, [true, false]);
});

const size = fc.oneof(fc.integer({ min: 32, max: 256 }), fc.integer({ min: 257, max: 9_000 }));
const step = fc.record({
  packets: fc.array(fc.record({ flow: fc.nat(5), size }), { minLength: 1, maxLength: 20 }),
  pause: fc.constantFrom(0, 0, 0, 2, 20),
});

Deno.test("offerNow() at any pace: each packet is sent once or counted as dropped, no flow's order changes", async () => {
  let dropped = 0;
  const pauses = fc.array(fc.constantFrom(0, 1, 7, 60), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), pauses, async (steps, ms) => {
      const w = new SendQueueWorld(QUEUE_BYTES);
      let sends = 0;
      w.link.onSend = () => {
        const next = ms[sends++ % ms.length]!;
        return next === 0 ? undefined : slowly(w.clock, next)();
      };
      const offered: Uint8Array[] = [];
      for (const { packets, pause } of steps) {
        const read = packets.map(({ flow, size }, i) => flowPacket(flow, offered.length + i, size));
        offered.push(...read);
        w.offerNow(...read);
        await w.clock.advance(pause);
      }
      await w.clock.advance(100_000);
      const { sent } = w.link;
      assert.equal(sent.length + w.queue.droppedLate, offered.length);
      assert.equal(new Set(marksOf(sent)).size, sent.length);
      for (const packet of sent) assert.deepEqual(packet, offered[markOf(packet)]);
      for (const marks of marksByFlow(sent).values()) {
        assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
      }
      assert.deepEqual([w.queue.failure, w.clock.pending], [null, 0]);
      dropped += w.queue.droppedLate;
    }),
    { numRuns: 60 },
  );
  assert(dropped > 100, `${dropped} dropped`);
});
