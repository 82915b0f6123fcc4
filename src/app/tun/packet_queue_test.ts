import assert from "node:assert/strict";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { batchOf } from "../../../tests/fake/packets.ts";
import { copiesOf, fill, LAYOUTS, offsetsIn } from "../../../tests/fake/layouts.ts";
import { makePackets, MAX_PACKET, MAX_SUPER_PACKET, type Packets } from "../../contract/batch.ts";
import { PacketQueue } from "./packet_queue.ts";

const LAYOUT = LAYOUTS["version 2"]!;
const PORTION = 32 * 1024;
const SMALL = 256;
const BULK_BYTES = 1024 * 1024;

/** Puts packets in, as many batches as it takes; they all must find room. */
function put(queue: PacketQueue, packets: Uint8Array[], now = 0): void {
  for (let at = 0; at < packets.length; at += 128) {
    const batch = batchOf(packets.slice(at, at + 128), 10);
    assert.equal(queue.put(batch, 0, now), batch.count);
    batch.bytes.fill(0xdd); // it has its own copies
  }
}

function take(queue: PacketQueue, now = 0, into = makePackets(4 * MAX_PACKET)): Uint8Array[] {
  queue.take(into, LAYOUT, now);
  return copiesOf(into);
}

/** All portions up to the last. */
function takeAll(queue: PacketQueue, now = 0): Uint8Array[][] {
  const portions: Uint8Array[][] = [];
  while (!queue.isEmpty) portions.push(take(queue, now));
  return portions;
}

const marks = (packets: Uint8Array[]) => packets.map(markOf);

function many(count: number, size: number, flow = 1, first = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => flowPacket(flow, first + i, size));
}

Deno.test("what is put in comes out whole, in its order, and then the queue is empty", () => {
  const queue = new PacketQueue(BULK_BYTES);
  assert.equal(queue.isEmpty, true);
  const packets = [...many(5, 1_280), ...many(3, 40, 2)];
  put(queue, packets.slice(0, 5));
  put(queue, packets.slice(5));
  assert.equal(queue.isEmpty, false);
  const [portion] = takeAll(queue);
  assert.deepEqual(portion, [...packets.slice(5), ...packets.slice(0, 5)]);
  assert.deepEqual([queue.isEmpty, queue.dropped], [true, 0]);
  assert.deepEqual(take(queue), []);
});

Deno.test("packets of up to 256 bytes go before larger ones of other flows", () => {
  const queue = new PacketQueue(BULK_BYTES);
  put(queue, [flowPacket(1, 1, SMALL + 1), flowPacket(2, 2, SMALL), flowPacket(3, 3, 40)]);
  assert.deepEqual(marks(take(queue)), [2, 3, 1]);
});

Deno.test("a small packet comes behind the large one of its own flow that waits, and only that", () => {
  const queue = new PacketQueue(BULK_BYTES);
  put(queue, [flowPacket(1, 1, 1_000), flowPacket(2, 2, 1_000), flowPacket(3, 3, 1_000)]);
  put(queue, [flowPacket(2, 4), flowPacket(4, 5), flowPacket(2, 6), flowPacket(5, 7)]);
  assert.deepEqual(marks(take(queue)), [5, 7, 1, 2, 3, 4, 6]);
});

Deno.test("once its flow's bulk has gone, a small packet goes first again", () => {
  const queue = new PacketQueue(BULK_BYTES);
  put(queue, many(30, 1_400)); // two portions
  const first = take(queue);
  assert(first.length < 30);
  put(queue, [flowPacket(1, 100)]);
  assert.deepEqual(marks(take(queue)).at(-1), 100);
  put(queue, [flowPacket(2, 101, 900), flowPacket(1, 102)]);
  assert.deepEqual(marks(take(queue)), [102, 101]);
});

for (const [name, layout] of Object.entries(LAYOUTS)) {
  Deno.test(`a portion lies as a link wants it: ${name}`, () => {
    for (const sizes of [[40], [40, 256, 33], [1_280, 40, 1_280, 300], [60_000], [40, 60_000]]) {
      const queue = new PacketQueue(BULK_BYTES);
      put(
        queue,
        [...sizes, ...new Array<number>(60).fill(700)].map((n, i) => flowPacket(i, i, n)),
      );
      let seen = 0;
      for (const into = makePackets(4 * MAX_PACKET); !queue.isEmpty;) {
        into.hasHeader.fill(7);
        queue.take(into, layout, 0);
        const lengths = [...into.length.subarray(0, into.count)];
        assert.deepEqual([...into.offset.subarray(0, into.count)], offsetsIn(layout, lengths));
        for (const packet of copiesOf(into)) {
          const mark = markOf(packet);
          assert.deepEqual(packet, flowPacket(mark, mark, sizes[mark] ?? 700));
        }
        assert.deepEqual(into.hasHeader.subarray(0, into.count), new Uint8Array(into.count));
        seen += into.count;
      }
      assert.equal(seen, sizes.length + 60);
    }
  });

  Deno.test(`a portion is of 32 KB at the most, or one packet, and as large as it can be: ${name}`, () => {
    const queue = new PacketQueue(4 * BULK_BYTES);
    const sizes = Array.from({ length: 300 }, (_, i) => 257 + (i * 397) % 9_000);
    const large = [PORTION - 1, PORTION, PORTION + 1, 65_535];
    const all = [...sizes, ...large, 300, ...large];
    put(queue, all.map((size, i) => flowPacket(i, i, size)));
    const into = makePackets(4 * MAX_PACKET);
    const out: number[] = [];
    while (!queue.isEmpty) {
      queue.take(into, layout, 0);
      const last = into.count - 1;
      const span = into.offset[last]! + into.length[last]! - into.offset[0]!;
      assert(span <= PORTION || into.count === 1, `${into.count} packets in ${span} bytes`);
      out.push(...copiesOf(into).map((packet) => packet.length));
      const withNext = offsetsIn(layout, [...into.length.subarray(0, into.count), 0]).at(-1)! +
        (all[out.length] ?? PORTION) - into.offset[0]!;
      assert(withNext > PORTION, `the next packet had made it ${withNext} bytes only`);
    }
    assert.deepEqual(out, all);
  });
}

Deno.test("a portion may be of 32 KB to the byte", () => {
  for (const layout of Object.values(LAYOUTS)) {
    for (const more of [0, 1]) {
      const queue = new PacketQueue(BULK_BYTES);
      const [first, second] = offsetsIn(layout, [20_000, 1]) as [number, number];
      const rest = PORTION - (second - first) + more;
      put(queue, [flowPacket(1, 0, 20_000), flowPacket(2, 1, rest), flowPacket(3, 2, 300)]);
      const into = makePackets(4 * MAX_PACKET);
      queue.take(into, layout, 0);
      assert.equal(into.count, 2 - more);
    }
  }
});

Deno.test("small packets are of 32 KB too, but for the last of them, and never more than a batch", () => {
  for (const size of [32, 200, SMALL]) {
    const queue = new PacketQueue(BULK_BYTES);
    put(queue, many(400, size));
    for (const portion of takeAll(queue)) {
      assert(portion.length <= 128);
      const span = portion.length * (size + LAYOUT.headroom);
      assert(span <= PORTION + 2 * (SMALL + LAYOUT.headroom), `${span} bytes`);
    }
  }
});

Deno.test("between two portions of bulk a small packet that has come meanwhile gets its turn", () => {
  const queue = new PacketQueue(BULK_BYTES);
  put(queue, many(100, 1_400));
  take(queue);
  put(queue, [flowPacket(2, 1_000)]);
  assert.equal(marks(take(queue))[0], 1_000);
});

/** A batch whose packets have virtio_net_hdrs, each another one. */
function withHeaders(packets: Uint8Array[]): { batch: Packets; headers: Uint8Array[] } {
  const batch = batchOf(packets, 10);
  const headers = packets.map((_, i) => Uint8Array.from({ length: 10 }, (_, j) => 16 * i + j + 1));
  for (const [i, header] of headers.entries()) {
    batch.hasHeader[i] = 1;
    batch.bytes.set(header, batch.offset[i]! - 10);
  }
  return { batch, headers };
}

Deno.test("a packet's header goes with it, small or not, and others have none", () => {
  for (
    const layout of [LAYOUTS["version 2"]!, LAYOUTS["version 2 with offload"]!, LAYOUTS["odd"]!]
  ) {
    const queue = new PacketQueue(BULK_BYTES);
    const { batch, headers } = withHeaders([
      flowPacket(1, 0, 3_000),
      flowPacket(2, 1, 40),
      flowPacket(3, 2, MAX_SUPER_PACKET - 40),
      flowPacket(4, 3, 60),
      flowPacket(5, 4, 60),
      flowPacket(6, 5, 600),
    ]);
    batch.hasHeader[4] = batch.hasHeader[5] = 0;
    assert.equal(queue.put(batch, 0, 0), 6);
    batch.bytes.fill(0xdd);
    const found = new Map<number, Uint8Array | null>();
    for (const into = makePackets(4 * MAX_PACKET); !queue.isEmpty;) {
      queue.take(into, layout, 0);
      for (const [i, packet] of copiesOf(into).entries()) {
        const at = into.offset[i]!;
        found.set(markOf(packet), into.hasHeader[i] === 0 ? null : into.bytes.slice(at - 10, at));
      }
    }
    const wanted = headers.map((header, i) => i < 4 ? header : null);
    assert.deepEqual([0, 1, 2, 3, 4, 5].map((mark) => found.get(mark)), wanted);
  }
});

Deno.test("put() says where it stopped, and goes on from there when there is room again", () => {
  const queue = new PacketQueue(10_000);
  const batch = batchOf([...many(9, 1_490), flowPacket(2, 50)], 10);
  assert.equal(queue.put(batch, 0, 0), 6);
  assert.equal(queue.put(batch, 6, 0), 6);
  assert.deepEqual(marks(take(queue)), [0, 1, 2, 3, 4, 5]);
  assert.equal(queue.put(batch, 6, 0), 10);
  assert.deepEqual(marks(take(queue)), [50, 6, 7, 8]);
});

Deno.test("it holds so many bytes of bulk, 8192 packets of it, and small ones beside", () => {
  const bytes = new PacketQueue(70_000);
  assert.equal(bytes.put(batchOf([flowPacket(1, 0, MAX_SUPER_PACKET)], 10), 0, 0), 1);
  assert.equal(bytes.put(batchOf([flowPacket(1, 1, 5_000)], 10), 0, 0), 0);
  assert.equal(bytes.put(batchOf([flowPacket(2, 2, 40)], 10), 0, 0), 1);
  const packets = new PacketQueue(8 * BULK_BYTES);
  put(packets, many(8_192, 300));
  assert.equal(packets.put(batchOf(many(1, 300), 10), 0, 0), 0);
  put(packets, many(1, 200, 2));
});

Deno.test("small packets that find no room among the small are bulk: none is lost or overtaken", () => {
  const queue = new PacketQueue(BULK_BYTES);
  const small = many(3_000, 100, 1);
  put(queue, small);
  put(queue, [flowPacket(2, 9_999, 100), flowPacket(1, 3_000)]);
  const out = takeAll(queue).flat();
  assert.deepEqual(marks(out).filter((mark) => mark !== 9_999), [...Array(3_001).keys()]);
  assert.equal(out.length, 3_002);
});

Deno.test("bulk that waits too long is dropped now and then, and counted; small packets are not", () => {
  const queue = new PacketQueue(8 * BULK_BYTES);
  const [bulk, small] = [many(2_000, 1_400, 1), many(100, 60, 2, 10_000)];
  put(queue, [...bulk, ...small]);
  assert.deepEqual(marks(take(queue, 5_000)).slice(0, 100), marks(small));
  const out: Uint8Array[] = [];
  for (let now = 5_010; !queue.isEmpty; now += 10) out.push(...take(queue, now));
  assert(queue.dropped > 5 && queue.dropped < 100, `${queue.dropped} dropped`);
  const first = 2_000 - out.length - queue.dropped; // went with the small ones
  assert(first > 0 && first < 24);
  assert.equal(markOf(out.at(-1)!), 1_999);
  const left = marks(out);
  assert.deepEqual(left, left.toSorted((a, b) => a - b));
});

Deno.test("bulk that does not wait for long is not dropped", () => {
  const queue = new PacketQueue(BULK_BYTES);
  for (let now = 0; now < 10_000; now += 15) {
    put(queue, many(30, 1_400), now);
    const out = [...take(queue, now + 5), ...take(queue, now + 10)];
    assert.equal(out.length, 30);
  }
  assert.equal(queue.dropped, 0);
});

Deno.test("bulk that is alone is not dropped, however long it waits", () => {
  const queue = new PacketQueue(BULK_BYTES);
  for (let now = 0; now < 100_000; now += 1_000) {
    put(queue, many(1, 1_400), now);
    assert.equal(take(queue, now + 900).length, 1);
  }
  assert.equal(queue.dropped, 0);
});

Deno.test("what was dropped waits no longer: a small packet of its flow goes first", () => {
  const queue = new PacketQueue(BULK_BYTES);
  const flows = Array.from({ length: 400 }, (_, i) => i);
  put(queue, flows.map((flow) => flowPacket(flow, flow, 1_400)));
  const out: number[] = [];
  let now = 1_000;
  for (; queue.dropped === 0; now += 15) out.push(...marks(take(queue, now)));
  assert.equal(queue.isEmpty, false);
  const dropped = flows.find((flow) => !out.includes(flow))!;
  put(queue, [flowPacket(dropped, 1_000)], now);
  assert.equal(marks(take(queue, now))[0], 1_000);
});

Deno.test("after clear() nothing is there, and no flow is behind bulk that was", () => {
  const queue = new PacketQueue(10_000);
  put(queue, [...many(5, 1_400), ...many(5, 60, 2)]);
  queue.clear();
  assert.deepEqual([queue.isEmpty, take(queue)], [true, []]);
  put(queue, [flowPacket(3, 20, 1_400), flowPacket(1, 21)]);
  put(queue, many(5, 1_400, 4, 30));
  assert.deepEqual(marks(take(queue)), [21, 20, 30, 31, 32, 33, 34]);
});

Deno.test("a batch from a device is put in as it lies, from where it is said", () => {
  for (const layout of Object.values(LAYOUTS)) {
    const queue = new PacketQueue(BULK_BYTES);
    const batch = fill(makePackets(4 * MAX_PACKET), layout, many(20, 1_000));
    assert.equal(queue.put(batch, 3, 0), 20);
    assert.deepEqual(takeAll(queue).flat(), many(17, 1_000, 1, 3));
  }
});
