import assert from "node:assert/strict";
import { BATCH_PACKETS, makePackets } from "./batch.ts";

Deno.test("a new batch is empty, with room for a batch of packets in an arena of the size asked", () => {
  const packets = makePackets(77);
  assert.equal(packets.count, 0);
  assert.equal(packets.bytes.length, 77);
  assert.equal(packets.offset.length, BATCH_PACKETS);
  assert.equal(packets.length.length, BATCH_PACKETS);
});

Deno.test("two batches share nothing", () => {
  const [one, other] = [makePackets(8), makePackets(8)];
  one.bytes[0] = one.offset[0] = one.length[0] = 9;
  assert.deepEqual([other.bytes[0], other.offset[0], other.length[0]], [0, 0, 0]);
});
