import assert from "node:assert/strict";
import fc from "fast-check";
import { makePackets, type Packets, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { PacketRing } from "./packet_ring.ts";

fc.configureGlobal({ seed: 6 });

/** A packet, and the ten bytes before it where there is a header. */
interface Entry {
  readonly bytes: Uint8Array;
  readonly before: Uint8Array | null;
  readonly since: number;
  readonly flow: number;
}

let serial = 0;

/** No two are alike, and none is like what a new ring is full of. */
function entry(length: number, hasHeader = false): Entry {
  const n = ++serial;
  return {
    bytes: Uint8Array.from({ length }, (_, i) => 1 + (n + 7 * i) % 255),
    before: hasHeader
      ? Uint8Array.from({ length: VIRTIO_NET_HEADER }, (_, i) => 1 + (n * 3 + i) % 255)
      : null,
    since: n / 4,
    flow: n % 4096,
  };
}

/** A batch in which the entry is the second packet, among bytes that are none of it. */
function batchWith({ bytes, before }: Entry): Packets {
  const batch = makePackets(64 + bytes.length);
  batch.bytes.fill(0xee);
  batch.count = 2;
  batch.offset[1] = 40;
  batch.length[1] = bytes.length;
  batch.hasHeader[1] = before === null ? 0 : 1;
  batch.bytes.set(bytes, 40);
  if (before !== null) batch.bytes.set(before, 40 - VIRTIO_NET_HEADER);
  return batch;
}

function add(ring: PacketRing, e: Entry): boolean {
  const batch = batchWith(e);
  const twin = batch.bytes.slice();
  const added = ring.add(batch, 1, e.since, e.flow);
  assert.deepEqual(batch.bytes, twin, "what is put in is left as it is");
  batch.bytes.fill(0); // it is a copy
  return added;
}

/** The oldest packet, taken out, as an entry. */
function take(ring: PacketRing): Entry | null {
  const next = ring.peek();
  if (next === null) return null;
  const { at, length, hasHeader, since, flow } = next;
  const bytes = ring.bytes.slice(at, at + length);
  const before = hasHeader === 0 ? null : ring.bytes.slice(at - VIRTIO_NET_HEADER, at);
  ring.drop();
  return { bytes, before, since, flow };
}

Deno.test("packets come out as they went in, in their order, with their headers", () => {
  const ring = new PacketRing(1_000, 10);
  const entries = [entry(40), entry(100, true), entry(1), entry(60, true), entry(0)];
  for (const e of entries) assert.equal(add(ring, e), true);
  assert.equal(ring.count, 5);
  assert.deepEqual(entries.map(() => take(ring)), entries);
  assert.deepEqual([ring.count, ring.peek(), take(ring)], [0, null, null]);
});

Deno.test("the oldest packet may be looked at again and again", () => {
  const ring = new PacketRing(200, 10);
  add(ring, entry(40));
  add(ring, entry(50));
  assert.deepEqual([ring.peek()?.length, ring.peek()?.length, ring.count], [40, 40, 2]);
});

Deno.test("a ring holds so many bytes with their headers, and so many packets, to the last", () => {
  const bytes = new PacketRing(4 * 60, 10);
  for (let i = 0; i < 4; i++) assert.equal(add(bytes, entry(50)), true);
  assert.equal(add(bytes, entry(0)), false);
  const packets = new PacketRing(10_000, 3);
  for (let i = 0; i < 3; i++) assert.equal(add(packets, entry(5)), true);
  assert.equal(add(packets, entry(5)), false);
  assert.equal(packets.count, 3);
});

Deno.test("one that is larger than the ring is refused, and the ring works on", () => {
  const ring = new PacketRing(100, 4);
  assert.equal(add(ring, entry(91)), false);
  const whole = entry(90, true);
  assert.equal(add(ring, whole), true);
  assert.deepEqual(take(ring), whole);
});

Deno.test("an empty ring has all its room again, wherever it stood", () => {
  const ring = new PacketRing(100, 4);
  for (let i = 0; i < 7; i++) {
    add(ring, entry(35));
    take(ring);
    const large = entry(90);
    assert.equal(add(ring, large), true, `round ${i}`);
    assert.deepEqual(take(ring), large);
  }
});

Deno.test("behind the end it goes on at the beginning, up to the oldest packet and no further", () => {
  const ring = new PacketRing(100, 9);
  const [first, second] = [entry(20), entry(30, true)]; // 0..30, 30..70
  add(ring, first);
  add(ring, second);
  assert.equal(add(ring, entry(25)), false, "35 bytes fit neither behind nor before");
  assert.deepEqual(take(ring), first);
  const third = entry(20, true); // 70..100
  assert.equal(add(ring, third), true);
  const fourth = entry(20); // 0..30, right up to the second
  assert.equal(add(ring, fourth), true);
  assert.equal(add(ring, entry(0)), false);
  assert.deepEqual([take(ring), take(ring), take(ring)], [second, third, fourth]);
});

Deno.test("what is free before the oldest packet is used to the last byte, in any number of pieces", () => {
  const ring = new PacketRing(100, 9);
  const entries = [entry(40), entry(30), entry(5), entry(25)]; // 0..50, 50..90; 0..15, 15..50
  for (const e of entries.slice(0, 2)) assert.equal(add(ring, e), true);
  assert.deepEqual(take(ring), entries[0]);
  for (const e of entries.slice(2)) assert.equal(add(ring, e), true);
  assert.equal(add(ring, entry(0)), false);
  assert.deepEqual(entries.slice(1).map(() => take(ring)), entries.slice(1));
});

Deno.test("a dropped packet's bytes stand until the next one comes", () => {
  const ring = new PacketRing(100, 9);
  const e = entry(50, true);
  add(ring, e);
  const { at } = ring.peek()!;
  ring.drop();
  assert.deepEqual(ring.bytes.slice(at, at + 50), e.bytes);
  assert.deepEqual(ring.bytes.slice(at - VIRTIO_NET_HEADER, at), e.before);
});

Deno.test("after clear() it is as new", () => {
  const ring = new PacketRing(100, 3);
  for (let i = 0; i < 5; i++) {
    while (add(ring, entry(20 + i)));
    take(ring);
    add(ring, entry(10));
    ring.clear();
    assert.deepEqual([ring.count, ring.peek()], [0, null]);
    const large = entry(90, true);
    assert.equal(add(ring, large), true);
    assert.deepEqual(take(ring), large);
  }
});

/** A model of a ring: a list that refuses only what does not fit. */
interface Model {
  readonly size: number;
  readonly most: number;
  entries: Entry[];
  refused: number;
  wrapped: number;
}
type Command = fc.Command<Model, PacketRing>;

const sizeOf = ({ bytes }: Entry) => VIRTIO_NET_HEADER + bytes.length;

class Add implements Command {
  readonly #length: number;
  readonly #hasHeader: boolean;
  constructor(length: number, hasHeader: boolean) {
    this.#length = length;
    this.#hasHeader = hasHeader;
  }
  check = () => true;
  run(model: Model, ring: PacketRing): void {
    const e = entry(this.#length, this.#hasHeader);
    const free = model.size - model.entries.reduce((sum, other) => sum + sizeOf(other), 0);
    const hasPlace = model.entries.length < model.most;
    if (add(ring, e)) {
      assert(hasPlace && sizeOf(e) <= free);
      model.entries.push(e);
    } else {
      model.refused++;
      if (model.entries.length === 0) assert(sizeOf(e) > model.size);
      // Free space may lie in two parts, and some of it be lost at the end.
      assert(!hasPlace || 2 * sizeOf(e) > free - WASTE, `${free} free for ${sizeOf(e)}`);
    }
    checkAll(model, ring);
  }
  toString = () => `add(${this.#length}, ${this.#hasHeader})`;
}

/** At most so much is lost at the end of the ring: the largest packet did not fit there. */
const WASTE = VIRTIO_NET_HEADER + 60;

class Take implements Command {
  check = () => true;
  run(model: Model, ring: PacketRing): void {
    const at = ring.peek()?.at;
    assert.deepEqual(take(ring), model.entries.shift() ?? null);
    if (model.entries.length > 0 && ring.peek()!.at < at!) model.wrapped++;
    checkAll(model, ring);
  }
  toString = () => "take";
}

class Clear implements Command {
  check = () => true;
  run(model: Model, ring: PacketRing): void {
    ring.clear();
    model.entries = [];
    checkAll(model, ring);
  }
  toString = () => "clear";
}

function checkAll({ entries }: Model, ring: PacketRing): void {
  assert.equal(ring.count, entries.length);
  assert.equal(ring.peek()?.length, entries[0]?.bytes.length);
}

Deno.test("whatever is added and taken, it is a list: nothing queued is ever overwritten", () => {
  const tally = { refused: 0, wrapped: 0 };
  const adding = fc.tuple(fc.nat(60), fc.boolean()).map(([length, has]) => new Add(length, has));
  const taking = fc.constant(new Take());
  const commands = fc.commands([
    ...new Array<typeof adding>(10).fill(adding),
    ...new Array<typeof taking>(9).fill(taking),
    fc.constant(new Clear()),
  ], { maxCommands: 200, size: "max" });
  fc.assert(
    fc.property(
      fc.integer({ min: 60, max: 250 }),
      fc.integer({ min: 1, max: 12 }),
      commands,
      (size, most, steps) => {
        const model: Model = { size, most, entries: [], refused: 0, wrapped: 0 };
        const ring = new PacketRing(size, most);
        fc.modelRun(() => ({ model, real: ring }), steps);
        while (model.entries.length > 0) assert.deepEqual(take(ring), model.entries.shift());
        tally.refused += model.refused;
        tally.wrapped += model.wrapped;
      },
    ),
    { numRuns: 500 },
  );
  assert(tally.refused > 1_000 && tally.wrapped > 500, JSON.stringify(tally));
});
