import assert from "node:assert/strict";
import fc from "fast-check";
import { MINUTE_MS, minuteOf } from "./minute.ts";
import { NextMinutes } from "./next_minutes.ts";

const NOW = 29_000_000;
const at = (seconds: number) => NOW * MINUTE_MS + seconds * 1000;
const own = (minute: number) => minute;

Deno.test("at first this minute is tried, then those beside it", () => {
  const minutes = new NextMinutes(own);
  assert.deepEqual(minutes.at(at(30), false), [NOW, NOW + 1, NOW - 1]);
  assert.deepEqual(minutes.at(at(58), false), [NOW, NOW + 1, NOW - 1]);
  assert.deepEqual(new NextMinutes(own).at(0, false), [0, 1]);
});

Deno.test("a client that leaves takes the minute that begins, never its own port", () => {
  const minutes = new NextMinutes((minute) => Math.floor(minute / 2));
  minutes.succeeded(NOW, at(10), false);
  assert.equal(minutes.at(at(57), true)[0], NOW + 2);
  const alone = new NextMinutes(() => 7);
  alone.succeeded(NOW, at(10), false);
  assert.deepEqual(alone.at(at(57), true), [NOW + 1]);
});

Deno.test("what was seen of the server's clock says which minute comes first", () => {
  const minutes = new NextMinutes(own);
  minutes.succeeded(NOW + 1, at(10), false);
  assert.deepEqual(minutes.at(at(70), false), [NOW + 2, NOW + 3, NOW + 1, NOW]);
  assert.equal(minutes.at(at(57), true)[0], NOW + 2);
  minutes.succeeded(NOW, at(80), false);
  assert.equal(minutes.at(at(90), false)[0], NOW);
  minutes.succeeded(NOW + 2, at(117), true);
  assert.equal(minutes.at(at(125), false)[0], NOW + 2);
});

Deno.test("each port is tried once, and a client that leaves goes on to a later minute", () => {
  const ports = fc.array(fc.nat(2), { minLength: 16, maxLength: 16 });
  fc.assert(fc.property(ports, fc.integer({ min: -2, max: 2 }), fc.nat(300), (list, off, s) => {
    const portAt = (minute: number) => list[(minute - NOW + 8) % 16] ?? 0;
    const minutes = new NextMinutes(portAt);
    const last = minuteOf(at(0)) + off;
    minutes.succeeded(last, at(0), false);
    for (const isLeaving of [false, true]) {
      const all = minutes.at(at(s), isLeaving);
      assert(all.length > 0);
      assert.equal(new Set(all.map(portAt)).size, all.length);
    }
    const isLater = (minute: number) => minute > last && portAt(minute) !== portAt(last);
    const left = minutes.at(at(s), true);
    assert(left.every(isLater) || !left.some(isLater));
  }));
});
