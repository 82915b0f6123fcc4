import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { pattern, readNowAll } from "../../../tests/fake/tt_ends.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { WriteQueue } from "./write_queue.ts";

function open(capacity?: number) {
  const [near, far] = memoryPair(capacity === undefined ? {} : { capacity });
  let idle = 0;
  const sink = new WriteQueue(near, () => void idle++);
  return { near, far, sink, idle: () => idle };
}

/** Reads until nothing more comes. */
async function drain(far: Connection): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let quiet = 0; quiet < 3;) {
    const { bytes } = readNowAll(far);
    parts.push(bytes);
    quiet = bytes.length === 0 ? quiet + 1 : 0;
    await setImmediate();
  }
  return concat(...parts);
}

Deno.test("what fits goes at once, and nobody is told", () => {
  const { far, sink, idle } = open();
  sink.write(utf8("at "));
  sink.write(utf8("once"));
  assert.deepEqual(readNowAll(far).bytes, utf8("at once"));
  assert.deepEqual([sink.isBusy, idle()], [false, 0]);
});

Deno.test("what does not fit makes it busy, until all has gone; then it says so once", async () => {
  const { far, sink, idle } = open(4);
  sink.write(utf8("0123456789"));
  sink.write(utf8("abc"));
  assert.deepEqual([sink.isBusy, sink.waiting, idle()], [true, 9, 0]);
  let isFlushed = false;
  const flushed = sink.flushed().then(() => isFlushed = true);
  assert.deepEqual(readNowAll(far).bytes, utf8("0123"));
  await setImmediate();
  assert.deepEqual([sink.isBusy, isFlushed], [true, false]);
  assert.deepEqual(await drain(far), utf8("456789abc"));
  await flushed;
  assert.deepEqual([sink.isBusy, sink.waiting, idle(), sink.failure], [false, 0, 1, null]);
});

Deno.test("bytes that are lent arrive as they were, in their order, none twice", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 2000 }), async (sizes, capacity) => {
      const { far, sink } = open(capacity);
      const parts: Uint8Array[] = [];
      for (const [i, size] of sizes.entries()) {
        const lent = pattern(size, i + 1);
        sink.write(lent);
        lent.fill(0xee);
        if (i % 3 === 2) parts.push(await drain(far));
      }
      parts.push(await drain(far));
      await sink.flushed();
      assert.deepEqual(concat(...parts), concat(...sizes.map((size, i) => pattern(size, i + 1))));
    }),
    { numRuns: 30 },
  );
});

Deno.test("its end comes behind all that was written, once", async () => {
  for (const capacity of [4, 100]) {
    const { far, sink, idle } = open(capacity);
    sink.write(utf8("01234"));
    sink.write(utf8("56789"));
    sink.end();
    sink.end();
    assert.deepEqual(await drain(far), utf8("0123456789"));
    await sink.flushed();
    assert.equal(readNowAll(far).isEnded, true);
    assert.deepEqual([sink.isBusy, idle(), sink.failure], [false, capacity === 4 ? 1 : 0, null]);
  }
  const { far, sink } = open();
  far.reset();
  sink.end();
  await sink.flushed().catch(() => {});
});

Deno.test("what breaks it is kept and thrown by flushed; later writes are dropped", async () => {
  const { far, sink, idle } = open(4);
  sink.write(utf8("0123456789"));
  sink.write(utf8("abc"));
  far.reset();
  await assert.rejects(sink.flushed(), { kind: "lost" });
  assert.equal((sink.failure?.error as TtunError).kind, "lost");
  assert.deepEqual([sink.isBusy, idle()], [false, 1]);
  sink.write(utf8("x"));
  await assert.rejects(sink.flushed(), { kind: "lost" });
});

Deno.test("a stream that is closed already breaks it at once", async () => {
  const { near, sink } = open();
  near.reset();
  sink.write(utf8("x"));
  assert.equal((sink.failure?.error as TtunError).kind, "lost");
  assert.equal(sink.isBusy, false);
  await assert.rejects(sink.flushed(), { kind: "lost" });
});

Deno.test("a stream that breaks between two of its calls leaves it broken and not busy", async () => {
  const { near, far, sink, idle } = open(4);
  sink.write(utf8("0123456789"));
  near.writeNow = () => {
    throw new TtunError("lost", "just now");
  };
  readNowAll(far);
  await assert.rejects(sink.flushed(), { message: "just now" });
  assert.deepEqual([sink.isBusy, idle()], [false, 1]);
});
