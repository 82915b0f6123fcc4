import assert from "node:assert/strict";
import fc from "fast-check";
import { flowOfPacket, flowPacket, markOf, marksByFlow } from "../../../tests/fake/flow.ts";
import { batchOf } from "../../../tests/fake/packets.ts";
import { copiesOf, LAYOUTS } from "../../../tests/fake/layouts.ts";
import { readU16 } from "../../base/bytes.ts";
import { makePackets, MAX_PACKET, MAX_SUPER_PACKET } from "../../contract/batch.ts";
import { FairQueue, QUEUES } from "./fair_queue.ts";

fc.configureGlobal({ seed: 15 });

const LAYOUT = LAYOUTS["version 2"]!;

/** A queue that tells sources apart by the flow, which is all that differs between test packets. */
function fairQueue(): FairQueue {
  return new FairQueue(({ bytes, offset }, i) => readU16(bytes, offset[i]! + 20) % QUEUES);
}

/** Offers packets as a send queue does; returns how many found no room. */
function offer(to: FairQueue, packets: Uint8Array[], now = 0): number {
  let lost = 0;
  for (let at = 0; at < packets.length; at += 128) {
    const batch = batchOf(packets.slice(at, at + 128), 10);
    for (let i = 0; (i = to.put(batch, i, now)) < batch.count; i++) lost++;
  }
  return lost;
}

function take(from: FairQueue, now = 0): Uint8Array[] {
  const into = makePackets(4 * MAX_PACKET);
  from.take(into, LAYOUT, now);
  return copiesOf(into);
}

const many = (flow: number, count: number, size = 1_400) =>
  Array.from({ length: count }, (_, i) => flowPacket(flow, i, size));

/** Bytes of each flow. */
function bytesOf(packets: Uint8Array[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const packet of packets) {
    const flow = flowOfPacket(packet);
    sums.set(flow, (sums.get(flow) ?? 0) + packet.length);
  }
  return sums;
}

Deno.test("a source that floods takes half of the link from one that sends as well, not more", () => {
  const queue = fairQueue();
  const out: Uint8Array[] = [];
  for (let round = 0; round < 100; round++) {
    offer(queue, many(1, 500)); // ten times as much as the link takes
    offer(queue, many(2, 12));
    out.push(...take(queue));
  }
  const bytes = bytesOf(out);
  const share = bytes.get(2)! / (bytes.get(1)! + bytes.get(2)!);
  assert(share > 0.45 && share < 0.55, `${share} of the link`);
});

Deno.test("what a source sends that asks for less than its share gets through whole, and soon", () => {
  const queue = fairQueue();
  let mark = 0;
  for (let round = 0; round < 200; round++) {
    offer(queue, many(1, 300));
    assert.equal(offer(queue, [flowPacket(2, mark, 1_000)]), 0);
    const portions = [...take(queue), ...take(queue)];
    assert(portions.some((packet) => flowOfPacket(packet) === 2 && markOf(packet) === mark));
    mark++;
  }
});

Deno.test("a flood of small packets does not go before the packets of another source either", () => {
  const queue = fairQueue();
  offer(queue, many(1, 3_000, 64));
  offer(queue, many(2, 20));
  const out = [...take(queue), ...take(queue), ...take(queue)];
  assert.equal(out.filter((packet) => flowOfPacket(packet) === 2).length, 20);
});

Deno.test("a source that was silent has saved nothing up", () => {
  const queue = fairQueue();
  for (let round = 0; round < 50; round++) {
    offer(queue, many(1, 40));
    take(queue);
  }
  const out: Uint8Array[] = [];
  for (let round = 0; round < 20; round++) {
    offer(queue, [...many(1, 100), ...many(2, 100)]);
    out.push(...take(queue));
  }
  const bytes = bytesOf(out);
  assert(bytes.get(1)! > 0.4 * bytes.get(2)!, `${bytes.get(1)} beside ${bytes.get(2)}`);
});

Deno.test("one queue being full takes no room from the others", () => {
  const queue = fairQueue();
  assert(offer(queue, many(1, 2_000)) > 1_500);
  assert.equal(offer(queue, many(0, 300)), 0);
  assert.equal(offer(queue, [flowPacket(3, 1, MAX_SUPER_PACKET)]), 0);
});

Deno.test("a packet that waits too long in its queue is dropped and counted; others' are not", () => {
  const queue = fairQueue();
  offer(queue, many(1, 150));
  for (let now = 1_000; queue.dropped === 0; now += 20) {
    assert(now < 3_000);
    offer(queue, [flowPacket(2, 7)], now);
    const out = [...take(queue, now), ...take(queue, now)];
    assert(out.some((packet) => flowOfPacket(packet) === 2));
  }
  assert.equal(queue.isEmpty, false);
  queue.clear();
  assert.equal(queue.isEmpty, true);
});

Deno.test("any packets of any sources: each comes out once or found no room, in its flow's order", () => {
  const packet = fc.record({ flow: fc.nat(30), size: fc.integer({ min: 32, max: 20_000 }) });
  const steps = fc.array(fc.array(packet, { maxLength: 60 }), { maxLength: 30, size: "max" });
  fc.assert(
    fc.property(steps, (batches) => {
      const queue = fairQueue();
      let [offered, lost] = [0, 0];
      const out: Uint8Array[] = [];
      for (const batch of batches) {
        const packets = batch.map(({ flow, size }) => flowPacket(flow, offered++, size));
        lost += offer(queue, packets);
        out.push(...take(queue));
      }
      while (!queue.isEmpty) out.push(...take(queue));
      assert.equal(out.length + lost + queue.dropped, offered);
      for (const marks of marksByFlow(out).values()) {
        assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: 60 },
  );
});
