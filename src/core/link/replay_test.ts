import assert from "node:assert/strict";
import { writeU32 } from "../../base/bytes.ts";
import { clientHello, readClientHello } from "./hello.ts";
import { MOST_HELLOS, ReplayMemory } from "./replay.ts";

const NOW = 1_800_000_000_000;

function random(i: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 4, i);
  return bytes;
}

Deno.test("a hello is new once", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1), NOW, "a"));
  assert(!memory.isNew(random(1), NOW, "a"));
  assert(!memory.isNew(random(1), NOW + 240_000, "a"));
  assert(memory.isNew(random(2), NOW, "a"));
});

Deno.test("every one of the eight bytes counts", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(new Uint8Array(8), NOW, "a"));
  for (let bit = 0; bit < 64; bit++) {
    const bytes = new Uint8Array(8);
    bytes[bit >>> 3] = 1 << (bit & 7);
    assert(memory.isNew(bytes, NOW, "a"), `bit ${bit}`);
    assert(!memory.isNew(bytes, NOW, "a"), `bit ${bit}`);
  }
});

Deno.test("what is remembered is the bytes, not the array that they came in", () => {
  const memory = new ReplayMemory();
  const lent = random(1);
  assert(memory.isNew(lent, NOW, "a"));
  lent.fill(9);
  assert(!memory.isNew(random(1), NOW, "a"));
});

Deno.test("as long as a hello is fresh, it is not new twice", () => {
  const s = new Uint8Array(32).fill(5);
  for (let sent = NOW; sent < NOW + 4000; sent += 777) {
    const hello = clientHello(s, random(1), 0, sent);
    let firstFresh = NOW - 200_000;
    while (readClientHello(s, hello, firstFresh)!.isStale) firstFresh++;
    const memory = new ReplayMemory();
    assert(memory.isNew(hello.subarray(0, 8), firstFresh, "a"));
    let replays = 0;
    for (let now = firstFresh; now < NOW + 300_000; now += 1000) {
      if (readClientHello(s, hello, now)!.isStale) continue;
      assert(
        !memory.isNew(hello.subarray(0, 8), now, "a"),
        `new again after ${now - firstFresh} ms`,
      );
      replays++;
    }
    assert(replays >= 240);
  }
});

Deno.test("a full memory bars nobody: whoever has filled it makes it forget his own", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1_000_000), NOW, "honest"));
  for (let i = 0; i < 2 * MOST_HELLOS; i++) assert(memory.isNew(random(i), NOW + i / 1000, "many"));
  assert(memory.isNew(random(1_000_001), NOW + 200_000, "another"));
  for (const [i, group] of [[1_000_000, "honest"], [1_000_001, "another"]] as const) {
    assert(!memory.isNew(random(i), NOW + 240_000, "thief"), group);
  }
  assert(!memory.isNew(random(2 * MOST_HELLOS - 1), NOW + 200_000, "many"));
});

Deno.test("a clock that goes back a little forgets nothing", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1), NOW, "a"));
  assert(memory.isNew(random(2), NOW - 100_000, "a"));
  assert(!memory.isNew(random(1), NOW - 200_000, "a"));
  assert(!memory.isNew(random(2), NOW - 200_000, "a"));
  assert(!memory.isNew(random(2), NOW + 149_000, "a"));
});

Deno.test("a clock that goes back far forgets what it had", () => {
  const memory = new ReplayMemory();
  assert(memory.isNew(random(1), NOW, "a"));
  assert(!memory.isNew(random(1), NOW - 249_999, "a"));
  assert(memory.isNew(random(1), NOW - 3_600_000, "a"));
});
