import assert from "node:assert/strict";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { Hold } from "../../../tests/fake/link.ts";
import { SendQueueWorld } from "../../../tests/fake/send_queue.ts";
import { TtunError } from "../../base/errors.ts";

const PATIENCE = 5;
const QUEUE_BYTES = 40 * 1_410;
const FAILURE = new TtunError("lost", "cannot send");

function bulk(count: number, first = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => flowPacket(1, first + i, 1_400));
}

/** The link has failed with that, once; nobody waits, and what is offered now is swallowed. */
async function expectFailed(w: SendQueueWorld, error: unknown = FAILURE): Promise<void> {
  await w.clock.settle();
  assert.equal(w.queue.failure?.error, error);
  assert.equal(w.link.disposed, 1);
  assert.equal(w.isWaiting, false);
  const { asked } = w.link;
  for (let i = 0; i < 3; i++) {
    const { isNow, back } = w.offer(...bulk(100, 1_000));
    assert.deepEqual([isNow, w.batches.includes(back!)], [true, true]);
    w.offerNow(...bulk(100, 1_000));
    await w.clock.advance(10_000);
  }
  assert.equal(w.link.asked, asked);
  assert.equal(w.queue.failure?.error, error);
  assert.deepEqual([w.link.disposed, w.clock.pending], [1, 0]);
}

/** A link that has not taken the first batch, and packets that wait behind it. */
async function slow(w: SendQueueWorld, waiting: number): Promise<Hold> {
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  w.offer(...bulk(2));
  await w.clock.advance(PATIENCE);
  if (waiting > 0) w.offer(...bulk(waiting, 2));
  await w.clock.settle();
  return hold;
}

const throws = () => {
  throw FAILURE;
};

Deno.test("a link that throws when it is given packets has failed; the batch comes back", async () => {
  const w = new SendQueueWorld();
  w.link.onSend = throws;
  const { isNow, back } = w.offer(...bulk(2));
  assert.deepEqual([isNow, back === w.batches[0]], [true, true]);
  await expectFailed(w);
});

Deno.test("one that fails within 5 ms", async () => {
  const w = new SendQueueWorld();
  const hold = new Hold();
  w.link.onSend = hold.onSend;
  const offered = w.offer(...bulk(2));
  await w.clock.advance(PATIENCE - 1);
  assert.equal(offered.back, null);
  hold.fail(FAILURE);
  await w.clock.settle();
  assert.equal(offered.back, w.batches[0]);
  await expectFailed(w);
});

Deno.test("one that fails later, with nothing behind it", async () => {
  const w = new SendQueueWorld();
  const hold = await slow(w, 0);
  hold.fail(FAILURE);
  await expectFailed(w);
});

Deno.test("one that fails later, with queued packets: nothing of it is sent", async () => {
  const w = new SendQueueWorld();
  const hold = await slow(w, 30);
  hold.fail(FAILURE);
  await expectFailed(w);
  assert.deepEqual([w.link.counts, w.link.sent.length, w.link.little], [[2], 0, []]);
});

Deno.test("one that fails with a portion of the packet queue, at once or later", async () => {
  for (const later of [false, true]) {
    const w = new SendQueueWorld();
    const hold = await slow(w, 60);
    if (!later) w.link.onSend = throws;
    hold.release();
    await w.clock.settle();
    if (later) hold.fail(FAILURE);
    await expectFailed(w);
    assert.deepEqual(w.link.sent.map(markOf), [0, 1]);
    assert.equal(w.link.batches.length, 2);
  }
});

Deno.test("one that fails while the reader waits for room: it is let go", async () => {
  for (const later of [false, true]) {
    const w = new SendQueueWorld(QUEUE_BYTES);
    const hold = await slow(w, 0);
    const offered = w.offer(...bulk(128, 2));
    await w.clock.advance(100);
    assert.equal(offered.back, null);
    if (later) {
      hold.release();
      await w.clock.settle();
      assert.equal(offered.back, null);
    }
    hold.fail(FAILURE);
    await w.clock.settle();
    assert.equal(offered.back, w.batches[1]);
    await expectFailed(w);
  }
});

Deno.test("one that cannot be told to hold little, or more again", async () => {
  const tight = new SendQueueWorld();
  const hold = await slow(tight, 30);
  tight.link.onHoldLittle = throws;
  hold.release();
  await expectFailed(tight);
  const relaxed = new SendQueueWorld();
  const once = await slow(relaxed, 10);
  relaxed.link.onSend = () => {};
  once.release();
  await relaxed.clock.advance(2_000);
  relaxed.link.onHoldLittle = throws;
  relaxed.offer(...bulk(1, 50));
  await expectFailed(relaxed);
});

Deno.test("one that is closed from elsewhere while it sends: whoever waits is let go", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w, 0);
  const offered = w.offer(...bulk(128, 2));
  await w.clock.settle();
  await w.link[Symbol.asyncDispose]();
  await w.clock.settle();
  assert.equal(offered.back, w.batches[1]);
  assert(w.queue.failure?.error instanceof TtunError);
  assert.deepEqual([w.link.disposed, w.clock.pending, hold.isHeld], [2, 0, true]);
});

Deno.test("the first failure is the one that is told, and failing one by one closes it once", async () => {
  const w = new SendQueueWorld(QUEUE_BYTES);
  const hold = await slow(w, 0);
  w.offer(...bulk(128, 2));
  await w.clock.settle();
  w.link.onSend = () => {
    throw new Error("another one");
  };
  hold.fail(FAILURE);
  await expectFailed(w);
});

Deno.test("offerNow() fails as quietly: at once, later, and with queued packets", async () => {
  const atOnce = new SendQueueWorld();
  atOnce.link.onSend = throws;
  assert.equal(atOnce.offerNow(...bulk(2)), atOnce.batches[0]);
  await expectFailed(atOnce);
  for (const waiting of [0, 30]) {
    for (const withPortion of [false, true]) {
      const w = new SendQueueWorld();
      const hold = new Hold();
      w.link.onSend = hold.onSend;
      w.offerNow(...bulk(2));
      if (waiting > 0) w.offerNow(...bulk(waiting, 2));
      if (withPortion && waiting > 0) {
        hold.release();
        await w.clock.settle();
      }
      hold.fail(FAILURE);
      await expectFailed(w);
      assert(w.link.sent.length <= 2);
    }
  }
});
