import assert from "node:assert/strict";
import fc from "fast-check";
import { Way } from "./way.ts";

/** A way whose taking end has so much room, and can be blocked. */
function lab(room = Infinity) {
  const at = { room, isBlocked: false, isThere: true, asked: NaN };
  const given: number[] = [];
  const told: string[] = [];
  let paid = 0;
  const way = new Way({
    isThere: () => at.isThere,
    room: () => at.asked = at.isThere ? at.room : 0,
    isBlocked: () => !at.isThere || at.isBlocked,
    isBusy: () => false,
    give: (bytes) => {
      at.room -= bytes.length;
      given.push(...bytes);
    },
    end: () => told.push("end"),
    pay: (count) => paid += count,
  });
  return { at, way, given, told, paid: () => paid };
}

Deno.test("bytes go on at once, and are paid for when they have left", () => {
  const { at, way, given, told, paid } = lab();
  way.take(Uint8Array.of(1, 2));
  assert.deepEqual([given, paid()], [[1, 2], 2]);
  at.isBlocked = true;
  way.take(Uint8Array.of(3));
  assert.deepEqual([given, paid()], [[1, 2, 3], 2]);
  at.isBlocked = false;
  way.finish([]);
  assert.deepEqual([told, paid(), way.isDone], [["end"], 3, true]);
});

Deno.test("nothing ends before the end that takes it is there", () => {
  const { at, way, given, told } = lab();
  at.isThere = false;
  way.take(Uint8Array.of(1));
  way.finish([]);
  assert.deepEqual([given, told, way.hasGiven], [[], [], false]);
  at.isThere = true;
  way.flush();
  assert.deepEqual([given, told], [[1], ["end"]]);
});

Deno.test("room for a part of what comes is used, so that more of it is told of", () => {
  const { at, way, given } = lab(5);
  way.take(Uint8Array.of(1, 2, 3));
  way.take(Uint8Array.of(4, 5, 6));
  assert.deepEqual([given, at.asked], [[1, 2, 3, 4, 5], 0]);
  at.room = 10;
  way.flush();
  assert.deepEqual(given, [1, 2, 3, 4, 5, 6]);
});

Deno.test("whatever the room is, all bytes come in order, and each is paid for once", () => {
  const piece = fc.record({
    bytes: fc.uint8Array({ maxLength: 40 }),
    room: fc.nat(30),
    isBlocked: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
    const { at, way, given, told, paid } = lab(0);
    const sent: number[] = [];
    for (const { bytes, room, isBlocked } of pieces) {
      sent.push(...bytes);
      const borrowed = bytes.slice();
      way.take(borrowed);
      borrowed.fill(0); // it was lent for the call
      at.room += room;
      at.isBlocked = isBlocked;
      way.flush();
      assert(paid() <= given.length);
      assert.deepEqual(given, sent.slice(0, given.length));
    }
    way.finish([]);
    at.isBlocked = false;
    at.room = Infinity;
    way.flush();
    assert.deepEqual([given, paid(), told], [sent, sent.length, ["end"]]);
  }));
});
