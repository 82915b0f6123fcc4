import assert from "node:assert/strict";
import fc from "fast-check";
import { flowPacket, markOf, marksByFlow } from "../../../tests/fake/flow.ts";
import { Hold, slowly } from "../../../tests/fake/link.ts";
import { SendQueueWorld } from "../../../tests/fake/send_queue.ts";
import { fill } from "../../../tests/fake/layouts.ts";

fc.configureGlobal({ seed: 8 });

const PATIENCE = 5;
/** Room for 40 packets of 1400 bytes. */
const QUEUE_BYTES = 40 * 1_410;

function bulk(count: number, first: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => flowPacket(1, first + i, 1_400));
}

/** Checks that `count` packets were sent, in their order. */
function sentInOrder(w: SendQueueWorld, count: number): void {
  assert.deepEqual(w.link.sent.map(markOf), [...Array(count).keys()]);
}

async function slow(w: SendQueueWorld): Promise<Hold> {
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  w.offer(...bulk(2, 0));
  await w.clock.advance(PATIENCE);
  return hold;
}

Deno.test("while the packet queue is full the reader waits; when a portion goes it goes on", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w);
  w.offer(...bulk(38, 2));
  await w.clock.settle();
  assert.equal(w.isWaiting, false);
  const offered = w.offer(...bulk(10, 40));
  await w.clock.advance(1_000);
  assert.equal(offered.back, null);
  hold.release(); // the first batch is through: the first portion leaves the packet queue
  await w.clock.settle();
  assert.equal(offered.back, w.batches[1]);
  assert.equal(w.link.sent.length, 2);
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  sentInOrder(w, 50);
  assert.deepEqual([w.queue.droppedLate, w.clock.pending], [0, 0]);
});

Deno.test("a batch that is larger than the whole packet queue goes through it bit by bit", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w);
  const offered = w.offer(...bulk(128, 2));
  await w.clock.settle();
  for (let portions = 0; hold.isHeld; portions++) {
    assert.equal(offered.back === null, portions < 4, `after ${portions} portions`);
    hold.release();
    await w.clock.settle();
  }
  sentInOrder(w, 130);
  assert.equal(w.queue.failure, null);
});

Deno.test("a link that takes all at once from then on empties it, and the reader goes on", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w);
  const offered = w.offer(...bulk(128, 2));
  await w.clock.settle();
  w.link.onSend = () => {};
  hold.release();
  await w.clock.settle();
  assert.notEqual(offered.back, null);
  sentInOrder(w, 130);
  assert.equal(w.offer(...bulk(1, 130)).isNow, true);
  sentInOrder(w, 131);
});

Deno.test("packets that wait with the reader keep their headers", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w);
  const packets = bulk(128, 2);
  const batch = fill(w.batches[1], w.link.layout, packets);
  const headers = packets.map((_, i) => i % 3 === 0 ? new Uint8Array(10).fill(i + 1) : null);
  for (const [i, header] of headers.entries()) {
    batch.hasHeader[i] = header === null ? 0 : 1;
    if (header !== null) batch.bytes.set(header, batch.offset[i]! - 10);
  }
  const offering = w.queue.offer(batch);
  await w.clock.settle();
  w.link.onSend = () => {};
  hold.release();
  assert.equal(await offering, batch);
  await w.clock.settle();
  sentInOrder(w, 130);
  assert.deepEqual(w.link.headers.slice(2), headers);
});

/** Milliseconds that a link takes for the next batch. */
const pauses = fc.array(fc.constantFrom(0, 0, 1, 4, 6, 9, 40), { minLength: 1, maxLength: 12 });
const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 32, max: 256 }) },
  { weight: 3, arbitrary: fc.integer({ min: 257, max: 1_400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_401, max: 30_000 }) },
);
const batch = fc.array(fc.record({ flow: fc.nat(6), size }), { minLength: 1, maxLength: 25 });
const step = fc.record({ packets: batch, pause: fc.constantFrom(0, 0, 1, 3, 8) });

interface Trace {
  steps: { packets: { flow: number; size: number }[]; pause: number }[];
  pauses: number[];
}

/** Reads and offers packets as a router does: the next batch when the last has come back. */
async function play(w: SendQueueWorld, { steps, pauses }: Trace): Promise<Uint8Array[]> {
  let sends = 0;
  w.link.onSend = () => {
    const ms = pauses[sends++ % pauses.length]!;
    return ms === 0 ? undefined : slowly(w.clock, ms)();
  };
  const offered: Uint8Array[] = [];
  for (const { packets, pause } of steps) {
    const read = packets.map(({ flow, size }, i) => flowPacket(flow, offered.length + i, size));
    offered.push(...read);
    w.offer(...read);
    await w.clock.settle();
    while (w.isWaiting) await w.clock.advance(1);
    await w.clock.advance(pause);
  }
  await w.clock.advance(100_000);
  return offered;
}

const trace = fc.record({ steps: fc.array(step, { maxLength: 25, size: "max" }), pauses });

Deno.test("whatever the link's pace, each packet is sent once, or dropped and counted, and no flow's order is changed", async () => {
  const tally = { sent: 0, tight: 0, late: 0 };
  await fc.assert(
    fc.asyncProperty(trace, fc.constantFrom(QUEUE_BYTES, undefined), async (t, bytes) => {
      const w = new SendQueueWorld(bytes);
      const offered = await play(w, t);
      const { sent } = w.link;
      assert.equal(sent.length + w.queue.droppedLate, offered.length);
      assert.equal(new Set(sent.map(markOf)).size, sent.length);
      for (const packet of sent) assert.deepEqual(packet, offered[markOf(packet)]);
      for (const marks of marksByFlow(sent).values()) {
        assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
      }
      assert.deepEqual([w.queue.failure, w.clock.pending, w.isWaiting], [null, 0, false]);
      tally.sent += sent.length;
      tally.late += w.queue.droppedLate;
      if (w.link.little.length > 0) tally.tight++;
    }),
    { numRuns: 80 },
  );
  assert(tally.tight > 20 && tally.sent > 3_000 && tally.late > 5, JSON.stringify(tally));
});
