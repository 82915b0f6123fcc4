import assert from "node:assert/strict";
import fc from "fast-check";
import { ChunkPool } from "./chunk_pool.ts";
import { OpenKind, packOpenBody } from "./frames.ts";
import { MAX_DATA, MuxStream, QUANTUM, QUEUE } from "./mux_stream.ts";
import { ReceiveWindow, SharedBudget } from "./receive_window.ts";
import { Scheduler } from "./scheduler.ts";
import { type LoggedFrame, sizeOf } from "./send_log.ts";

fc.configureGlobal({ seed: 19 });

const BIG = 2 ** 40;
const FULL = new Uint8Array(256 * 1024);

/** Streams that are open, with a scheduler; what each one was given. */
class Streams {
  readonly scheduler = new Scheduler();
  readonly list: MuxStream[] = [];
  readonly sent: number[] = [];

  add(sendLimit = BIG): MuxStream {
    const id = this.list.length;
    const stream = new MuxStream({
      owner: {
        queueLimit: QUEUE,
        now: 0,
        pool: new ChunkPool(),
        sendControl: () => {},
        sendDatagram: () => false,
        sendData: (one) => this.scheduler.add(one),
        consumed: () => {},
        notify: () => {},
        finished: () => {},
      },
      peer: "peer",
      window: new ReceiveWindow(1000, 1000, new SharedBudget(0), 0),
      sendLimit,
      id: 0,
      kind: OpenKind.connect,
      open: {
        body: packOpenBody({ kind: OpenKind.connect, address: null }),
        events: { opened: () => {}, refused: () => {} },
      },
    });
    stream.nextControl(() => id); // the open: data may follow
    this.list.push(stream);
    this.sent.push(0);
    return stream;
  }

  /** Takes the next frame; returns the index of its stream, or null. */
  next(room = BIG, credit = BIG): number | null {
    const frame = this.scheduler.next(room, credit);
    if (frame === null) return null;
    const id = idOf(frame);
    this.sent[id]! += frame.body!.bytes.length;
    return id;
  }
}

function idOf({ head }: LoggedFrame): number {
  return head[1]! & 0x3f; // fewer than 64 streams
}

Deno.test("transfers get equal shares, however they write", () => {
  const streams = new Streams();
  for (let i = 0; i < 4; i++) streams.add();
  const sizes = [100, 1400, 16_000, 256 * 1024];
  for (let frames = 0; frames < 4000; frames++) {
    streams.list.forEach((stream, i) => {
      while (stream.writeNow(FULL.subarray(0, sizes[i])) > 0) { /* until its queue is full */ }
    });
    streams.next();
  }
  const [least, most] = [Math.min(...streams.sent), Math.max(...streams.sent)];
  assert(least > 1_000_000 && most - least <= QUANTUM, streams.sent.join());
});

Deno.test("a stream that has just got data goes before transfers", () => {
  const streams = new Streams();
  const bulk = Array.from({ length: 5 }, () => streams.add());
  const small = streams.add();
  for (const stream of bulk) stream.writeNow(FULL);
  for (let i = 0; i < bulk.length; i++) streams.next(); // a turn each
  for (let round = 0; round < 3; round++) {
    small.writeNow(FULL.subarray(0, 64));
    assert.equal(streams.next(), 5);
    for (let i = 0; i < bulk.length; i++) assert.equal(streams.next(), (round * 5 + i) % 5);
  }
});

Deno.test("streams that always have a little data leave a transfer its share", () => {
  const streams = new Streams();
  const bulk = streams.add();
  const small = Array.from({ length: 50 }, () => streams.add());
  for (let frames = 0; frames < 40_000; frames++) {
    bulk.writeNow(FULL);
    for (const stream of small) {
      if (stream.stats().isDelivered) stream.writeNow(FULL.subarray(0, 1000));
    }
    streams.next();
  }
  // Between two turns of the transfer a small one has two: as a fresh one, and in its place.
  const [share, ...others] = streams.sent;
  assert(share! / QUANTUM > others[0]! / 1000 / 2 - 2, `${share} beside ${others[0]}`);
  assert(Math.max(...others) - Math.min(...others) <= 2000, others.join());
});

Deno.test("a stream without a window is passed over, and goes on when it has one", () => {
  const streams = new Streams();
  const stalled = streams.add(100);
  const other = streams.add();
  stalled.writeNow(FULL);
  other.writeNow(FULL);
  assert.equal(streams.next(), 0);
  assert.equal(streams.sent[0], 100);
  for (let i = 0; i < 2; i++) assert.equal(streams.next(), 1);
  stalled.receiveWindow(150);
  assert.equal(streams.next(), 0);
  assert.equal(streams.sent[0], 150);
});

Deno.test("no frame exceeds the room, the credit or the most that one may have, and none has no data", () => {
  const size = fc.integer({ min: 1, max: 40_000 });
  const take = fc.tuple(fc.nat(40_000), fc.nat(40_000));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 5 }), fc.array(take), (sizes, takes) => {
      const streams = new Streams();
      for (const length of sizes) streams.add().writeNow(FULL.subarray(0, length));
      for (const [room, credit] of takes) {
        const frame = streams.scheduler.next(room, credit);
        if (frame === null) continue;
        assert(sizeOf(frame) <= room);
        assert(
          frame.body!.bytes.length <= Math.min(credit, MAX_DATA) && frame.body!.bytes.length > 0,
        );
      }
      while (streams.next() !== null) { /* to the end */ }
      assert(streams.list.every((stream) => stream.stats().isDelivered));
    }),
  );
});

Deno.test("where there is no credit or no room, nothing goes and nothing is lost", () => {
  const streams = new Streams();
  streams.add().writeNow(FULL.subarray(0, 10));
  assert.equal(streams.next(BIG, 0), null);
  assert.equal(streams.next(13, BIG), null);
  assert.equal(streams.next(), 0);
  assert.equal(streams.sent[0], 10);
  assert.equal(streams.next(), null);
});

Deno.test("a stream alone has longer turns, and shorter ones as soon as another has data", () => {
  const streams = new Streams();
  streams.add().writeNow(FULL);
  const other = streams.add();
  assert.equal(streams.scheduler.next(BIG, BIG)!.body!.bytes.length, MAX_DATA);
  other.writeNow(FULL);
  for (let i = 0; i < 3; i++) {
    assert.equal(streams.scheduler.next(BIG, BIG)!.body!.bytes.length, QUANTUM);
  }
});
