import assert from "node:assert/strict";
import fc from "fast-check";
import { RECORD_HEADER, RecordRing, ringMemory } from "./record_ring.ts";

const SIZE = 128;

Deno.test("records come out whole and in order, however full the ring is", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.nat(255),
      friend: fc.nat(0xffff_ffff),
      bytes: fc.uint8Array({ maxLength: 60 }),
    }),
    fc.constant("read" as const),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const memory = ringMemory(SIZE);
    const [writer, reader] = [new RecordRing(memory), new RecordRing(memory)];
    const inside: { kind: number; friend: number; bytes: number[] }[] = [];
    const readOne = () => {
      const found = reader.read();
      const { kind, friend, bytes } = found ?? {};
      assert.deepEqual(found && { kind, friend, bytes: [...bytes!] }, inside.shift() ?? null);
    };
    for (const step of steps) {
      if (step === "read") {
        readOne();
        continue;
      }
      const { kind, friend, bytes } = step;
      const size = RECORD_HEADER + Math.ceil(bytes.length / 4) * 4;
      const fits = size <= writer.room;
      const [first, second] = [bytes.subarray(0, 5), bytes.subarray(5)];
      assert.equal(writer.write(kind, friend, first, second), fits);
      if (fits) inside.push({ kind, friend, bytes: [...bytes] });
    }
    while (inside.length > 0) readOne();
    assert.equal(reader.read(), null);
    assert.ok(reader.isEmpty);
    assert.equal(writer.room, SIZE);
  }));
});

Deno.test("positions go on behind 2^32 bytes", () => {
  const memory = ringMemory(SIZE);
  new Int32Array(memory, 0, 2).fill(-16);
  const [writer, reader] = [new RecordRing(memory), new RecordRing(memory)];
  for (let i = 0; i < 50; i++) {
    assert.ok(writer.write(1, i, Uint8Array.of(i)));
    assert.ok(writer.write(2, i, new Uint8Array(30)));
    assert.equal(writer.room, SIZE - 60);
    assert.equal(reader.read()?.bytes[0], i);
    assert.equal(reader.read()?.bytes.length, 30);
  }
});
