import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { converse } from "../../../tests/fake/link_session.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { everyRecords } from "../../../tests/fake/v2_pair.ts";
import { concat } from "../../base/bytes.ts";
import { NO_PACKET } from "../../contract/link.ts";
import { CloseCode, packClose } from "../../core/link/v2/frames.ts";
import { type FrameConsumer, RecordChannel } from "./record_channel.ts";
import type { RekeyLimits } from "./record_writer.ts";

/** The type of frame 12 (docs/wire/link-v2.md), which carries a stream's data. */
const DATA = 0x12;

/** A consumer that knows no packets: one message to a frame of data, two at a time. */
const words: FrameConsumer<string[]> = {
  readFrames(channel, into) {
    const { frames } = channel;
    into.length = 0;
    while (!frames.isAtEnd && into.length < 2) {
      if (frames.bytes[frames.at] === DATA) {
        frames.at++;
        into.push(new TextDecoder().decode(frames.take(frames.varint())));
      } else if (!channel.readControl()) break;
    }
    return into.length;
  },
};

const data = (word: string) =>
  concat(Uint8Array.of(DATA, word.length), new TextEncoder().encode(word));

function channels(o: { rekey?: RekeyLimits; capacity?: number } = {}) {
  const sessions = converse();
  const { capacity = 2 ** 16 } = o;
  const clock = new FakeClock();
  const [near, far] = memoryPair({ capacity }).map((stream, i) =>
    new RecordChannel(stream, i === 0 ? sessions.near : sessions.far, words, {
      clock,
      rng: seededRng(i),
      rekey: o.rekey,
    })
  ) as [RecordChannel<string[]>, RecordChannel<string[]>];
  return { near, far, clock };
}

/** All that a channel receives until nothing is left, batch by batch. */
function received(channel: RecordChannel<string[]>): (string[] | number | undefined)[] {
  const into: string[] = [];
  const found: (string[] | number | undefined)[] = [];
  for (;;) {
    const count = channel.recvNow(into);
    found.push(count !== undefined && count > 0 ? [...into] : count);
    if (count === undefined || count === 0) return found;
  }
}

Deno.test("a channel carries frames of any consumer, in order, over new keys", () => {
  const { near, far } = channels({ rekey: everyRecords(2) });
  void near.writer.send(() => concat(data("one"), data("two"), data("three")));
  void near.writer.send(() => data("four"));
  assert.deepEqual(received(far), [
    NO_PACKET,
    ["one", "two"],
    ["three"],
    NO_PACKET,
    ["four"],
    undefined,
  ]);
  void far.writer.send(() => data("back"));
  assert.deepEqual(received(near), [NO_PACKET, ["back"], undefined]);
  assert.deepEqual([near.batches, far.batches], [1, 3]);
});

Deno.test("records that are sealed in place go out in one write, behind those that wait", async () => {
  const { near, far } = channels({ capacity: 30 });
  const first = near.writer.send(() => data("a rather long first word"));
  assert(first instanceof Promise);
  const second = near.writer.mutex.pass(() => {
    const text = data("second");
    const bytes = concat(new Uint8Array(2), text, new Uint8Array(16));
    near.writer.seal(bytes, 2, text.length);
    return near.writer.write(bytes);
  });
  assert.deepEqual(received(far), [undefined]);
  await first;
  assert.deepEqual(received(far), [["a rather long first word"], undefined]);
  await second;
  assert.deepEqual(received(far), [["second"], undefined]);
});

Deno.test("pings are answered beside the consumer's frames", async () => {
  const { near, far, clock } = channels();
  near.ping();
  void near.writer.send(() => data("word"));
  await clock.advance(20);
  assert.deepEqual(received(far), [NO_PACKET, ["word"], undefined]);
  assert.deepEqual(received(near), [NO_PACKET, undefined]);
  assert.equal(near.rttMs, 20);
});

Deno.test("a packet is out of place where the consumer does not take it", () => {
  const { near, far } = channels();
  void near.writer.send(() => concat(data("word"), Uint8Array.of(1, 1, 0x45)));
  assert.throws(() => received(far), { kind: "protocol", message: /packet frame/ });
});

Deno.test("nothing is read behind a close, nor is it charged for what stands before it", () => {
  const { near, far } = channels();
  void near.writer.send(() => concat(data("last"), packClose(0, ""), data("too late")));
  assert.deepEqual(received(far), [["last"], 0]);
  assert.deepEqual(received(far), [0]);
});

Deno.test("control frames beyond the budget end the session, whoever the consumer is", () => {
  const { near, far } = channels();
  void near.writer.send(() => new Uint8Array(10 * 600).fill(0).map((_, i) => i % 9 === 0 ? 3 : 0));
  assert.throws(() => received(far), { kind: "protocol", message: /too many control frames/ });
});

Deno.test("the last words wait for what is being written, and for the peer to take them", async () => {
  const { near, far, clock } = channels({ capacity: 30 });
  const first = near.writer.send(() => data("a rather long first word"));
  assert(first instanceof Promise);
  near.end(CloseCode.goingDown, "the end");
  const closing = near[Symbol.asyncDispose]();
  const heard: unknown[] = [];
  await assert.rejects(async () => {
    for (;;) {
      heard.push(...received(far).flatMap((one) => Array.isArray(one) ? one : []));
      await clock.settle();
    }
  }, /the end/);
  assert.deepEqual(heard, ["a rather long first word"]);
  await far[Symbol.asyncDispose]();
  await clock.settle();
  assert.deepEqual(received(near), [0]);
  await closing;
});

Deno.test("a peer that takes nothing delays the end by 300 ms at most", async () => {
  const { near, far, clock } = channels({ capacity: 30 });
  const first = near.writer.send(() => data("a rather long first word"));
  const lost = assert.rejects(async () => await first);
  near.end(CloseCode.goingDown, "the end");
  const closing = near[Symbol.asyncDispose]();
  let isClosed = false;
  void closing.then(() => void (isClosed = true));
  await clock.advance(299);
  assert(!isClosed);
  await clock.advance(1);
  assert(isClosed);
  await lost;
  await far[Symbol.asyncDispose]();
});
