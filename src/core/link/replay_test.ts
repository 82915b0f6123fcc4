import assert from "node:assert/strict";
import { writeU32 } from "../../base/bytes.ts";
import { clientHello, readClientHello } from "./hello.ts";
import { ReplayMemory } from "./replay.ts";

const NOW = 1_800_000_000_000;

function random(i: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 4, i);
  return bytes;
}

Deno.test("a hello is new once", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1), NOW));
  assert(!memory.isNew(random(1), NOW));
  assert(!memory.isNew(random(1), NOW + 240_000));
  assert(memory.isNew(random(2), NOW));
});

Deno.test("every one of the eight bytes counts", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(new Uint8Array(8), NOW));
  for (let bit = 0; bit < 64; bit++) {
    const bytes = new Uint8Array(8);
    bytes[bit >>> 3] = 1 << (bit & 7);
    assert(memory.isNew(bytes, NOW), `bit ${bit}`);
    assert(!memory.isNew(bytes, NOW), `bit ${bit}`);
  }
});

Deno.test("what is remembered is the bytes, not the array that they came in", () => {
  const memory = new ReplayMemory();
  const lent = random(1);
  assert(memory.isNew(lent, NOW));
  lent.fill(9);
  assert(!memory.isNew(random(1), NOW));
});

Deno.test("as long as a hello is fresh, it is not new twice", () => {
  const s = new Uint8Array(32).fill(5);
  for (let sent = NOW; sent < NOW + 4000; sent += 777) {
    const hello = clientHello(s, random(1), 0, sent);
    let firstFresh = NOW - 200_000;
    while (readClientHello(s, hello, firstFresh)!.isStale) firstFresh++;
    const memory = new ReplayMemory();
    assert(memory.isNew(hello.subarray(0, 8), firstFresh));
    let replays = 0;
    for (let now = firstFresh; now < NOW + 300_000; now += 1000) {
      if (readClientHello(s, hello, now)!.isStale) continue;
      assert(!memory.isNew(hello.subarray(0, 8), now), `new again after ${now - firstFresh} ms`);
      replays++;
    }
    assert(replays >= 240);
  }
});

Deno.test("a full memory takes nothing for new, until the oldest are stale", () => {
  const memory = new ReplayMemory();
  for (let i = 0; i < 65_536; i++) assert(memory.isNew(random(i), NOW + (i < 10 ? 0 : 60_000)));
  assert(!memory.isNew(random(65_536), NOW + 60_000));
  assert(!memory.isNew(random(5), NOW + 60_000));
  assert(!memory.isNew(random(65_536), NOW + 249_999));
  // The first ten are forgotten, and make room for ten.
  for (let i = 0; i < 10; i++) assert(memory.isNew(random(70_000 + i), NOW + 250_000));
  assert(!memory.isNew(random(80_000), NOW + 250_000));
  assert(memory.isNew(random(80_000), NOW + 310_000));
});

Deno.test("a clock that goes back a little forgets nothing", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1), NOW));
  assert(memory.isNew(random(2), NOW - 100_000));
  assert(!memory.isNew(random(1), NOW - 200_000));
  assert(!memory.isNew(random(2), NOW - 200_000));
  assert(!memory.isNew(random(2), NOW + 149_000));
});

Deno.test("a clock that goes back far does not keep a full memory full", () => {
  const memory = new ReplayMemory();
  for (let i = 0; i < 65_536; i++) memory.isNew(random(i), NOW);
  assert(!memory.isNew(random(70_000), NOW - 249_999));
  assert(memory.isNew(random(70_000), NOW - 3_600_000));
});
