import assert from "node:assert/strict";
import { arrayBytes } from "../../../tests/fake/heap.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { frameOf, pattern, readNowAll, ttStream } from "../../../tests/fake/tt_ends.ts";
import { concat } from "../../base/bytes.ts";
import type { TtStream } from "./tt_stream.ts";
import { writable, write } from "../loop/stream_io.ts";

const COUNT = 60;

Deno.test("a connection that is idle holds no buffer, whatever went through it", async () => {
  const frame = frameOf(pattern(60_000), 32);
  const streams: TtStream[] = [];
  const others: unknown[] = [];
  const open = async () => {
    const [near, far] = memoryPair({ capacity: 70_000 });
    const stream = ttStream(near, { peer: "marked" });
    for (const cut of [10, 30_000]) { // a header in part, then a frame in part
      write(far, frame.subarray(0, cut));
      assert.equal(stream.readNow(new Uint8Array(100)), undefined);
      write(far, frame.subarray(cut));
      assert.equal(readNowAll(stream).bytes.length, 60_000);
    }
    write(stream, pattern(100_000)); // more than the socket takes at once
    assert.equal(stream.writeNow(pattern(1)), 0);
    const writing = writable(stream);
    const drained = [];
    for (let i = 0; i < 4; i++) {
      drained.push(readNowAll(far).bytes);
      await Promise.resolve();
    }
    await writing;
    assert.ok(concat(...drained, readNowAll(far).bytes).length > 100_000);
    streams.push(stream);
    others.push(far);
  };
  await open(); // whatever is made once
  const before = arrayBytes();
  for (let i = 0; i < COUNT; i++) await open();
  const each = (arrayBytes() - before) / COUNT;
  assert.ok(each < 1000, `${each} bytes each`);
  assert.ok(streams.every((stream) => stream.peerMark === "marked") && others.length === COUNT + 1);
});
