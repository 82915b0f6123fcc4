import assert from "node:assert/strict";
import fc from "fast-check";
import { flowOfPacket, flowPacket, markOf, marksByFlow } from "../../../tests/fake/flow.ts";
import { batchOf } from "../../../tests/fake/packets.ts";
import { copiesOf, LAYOUTS } from "../../../tests/fake/layouts.ts";
import { makePackets, MAX_PACKET } from "../../contract/batch.ts";
import { flowOf } from "../../core/ip/header.ts";
import { PacketQueue } from "./packet_queue.ts";

fc.configureGlobal({ seed: 7 });

const SMALL = 256;
const FLOWS = 12;

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 32, max: SMALL }) },
  { weight: 5, arbitrary: fc.integer({ min: SMALL + 1, max: 1_400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_401, max: 50_000 }) },
);
const packet = fc.record({ flow: fc.nat(FLOWS - 1), size });
const putting = fc.array(packet, { minLength: 1, maxLength: 100 });
/** Packets that come, or how many milliseconds pass until a portion goes. */
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: putting },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, 5, 30, 120) },
  ),
  { maxLength: 40, size: "max" },
);

interface Put {
  readonly mark: number;
  readonly flow: number;
  readonly bytes: Uint8Array;
}

/** Packets are told apart by their number; each flow's rise. */
class Sender {
  readonly put: Put[] = [];

  packets(wanted: { flow: number; size: number }[]): Put[] {
    const made = wanted.map(({ flow, size }, i) => {
      const mark = this.put.length + i;
      return { mark, flow, bytes: flowPacket(flow, mark, size) };
    });
    this.put.push(...made);
    return made;
  }
}

function take(queue: PacketQueue, now: number): Uint8Array[] {
  const into = makePackets(4 * MAX_PACKET);
  queue.take(into, LAYOUTS["odd"]!, now);
  return copiesOf(into);
}

Deno.test("the flows of these tests are told apart by twelve bits, so that the model below is right", () => {
  const hashes = Array.from({ length: FLOWS }, (_, flow) => flowOf(flowPacket(flow, 0), 0, 32));
  assert.equal(new Set(hashes.map((hash) => hash & 0xfff)).size, FLOWS);
});

Deno.test("each flow's packets keep their order, whatever comes, waits and is dropped meanwhile", () => {
  let dropped = 0;
  let overtaken = 0;
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new PacketQueue(8 * 1024 * 1024);
      const sender = new Sender();
      const out: Uint8Array[] = [];
      let now = 1;
      for (const step of list) {
        if (typeof step === "number") out.push(...take(queue, now += step));
        else {
          const packets = sender.packets(step).map(({ bytes }) => bytes);
          assert.equal(queue.put(batchOf(packets, 10), 0, now), packets.length);
        }
      }
      while (!queue.isEmpty) out.push(...take(queue, now += 7));
      for (const marks of marksByFlow(out).values()) {
        assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
        assert.equal(new Set(marks).size, marks.length);
      }
      for (const bytes of out) {
        assert.deepEqual(bytes, flowPacket(flowOfPacket(bytes), markOf(bytes), bytes.length));
        assert.equal(bytes.length, sender.put[markOf(bytes)]!.bytes.length);
      }
      assert.equal(out.length + queue.dropped, sender.put.length);
      dropped += queue.dropped;
      overtaken += out.filter((bytes, i) => i > 0 && markOf(bytes) < markOf(out[i - 1]!)).length;
    }),
    { numRuns: 250 },
  );
  assert(dropped > 50 && overtaken > 300, `${dropped} dropped, ${overtaken} overtaken`);
});

/** First the small packets that found nothing of their flow waiting as bulk, then all others. */
class Model {
  readonly first: Put[] = [];
  readonly bulk: Put[] = [];

  put(packet: Put): void {
    const isBehind = this.bulk.some(({ flow }) => flow === packet.flow);
    if (packet.bytes.length <= SMALL && !isBehind) this.first.push(packet);
    else this.bulk.push(packet);
  }

  take(): Put | undefined {
    return this.first.shift() ?? this.bulk.shift();
  }
}

Deno.test("small packets go first, then bulk, each in their order: as long as none is late, exactly so", () => {
  let behind = 0;
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new PacketQueue(8 * 1024 * 1024);
      const model = new Model();
      const sender = new Sender();
      const expectPortion = () => {
        const portion = take(queue, 0);
        assert(portion.length > 0 || queue.isEmpty);
        for (const bytes of portion) assert.equal(markOf(bytes), model.take()?.mark);
      };
      for (const step of list) {
        if (typeof step === "number") expectPortion();
        else if (model.first.length < 300) {
          const packets = sender.packets(step);
          for (const packet of packets) {
            model.put(packet);
            if (packet.bytes.length <= SMALL && model.bulk.at(-1) === packet) behind++;
          }
          queue.put(batchOf(packets.map(({ bytes }) => bytes), 10), 0, 0);
        }
      }
      while (!queue.isEmpty) expectPortion();
      assert.deepEqual([model.first, model.bulk, queue.dropped], [[], [], 0]);
    }),
    { numRuns: 150 },
  );
  assert(behind > 1_000, `${behind} small packets behind bulk of their own flow`);
});

Deno.test("in a packet queue that is full again and again no packet is lost, doubled or out of order", () => {
  fc.assert(
    fc.property(putting, putting, fc.integer({ min: 50_020, max: 90_000 }), (one, other, bytes) => {
      const queue = new PacketQueue(bytes);
      const sender = new Sender();
      const out: Uint8Array[] = [];
      for (const wanted of [one, other, one, other]) {
        const packets = sender.packets(wanted).map((put) => put.bytes);
        const batch = batchOf(packets, 10);
        for (let next = 0; next < packets.length;) {
          const before = next;
          next = queue.put(batch, next, 0);
          assert(next >= before);
          if (next < packets.length) out.push(...take(queue, 0));
        }
      }
      while (!queue.isEmpty) out.push(...take(queue, 0));
      assert.deepEqual(
        out.map(markOf).toSorted((a, b) => a - b),
        sender.put.map(({ mark }) => mark),
      );
      for (const marks of marksByFlow(out).values()) {
        assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: 100 },
  );
});
