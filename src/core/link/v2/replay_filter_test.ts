import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU32 } from "../../../base/bytes.ts";
import { clientHello, readClientHello } from "./hello.ts";
import { MOST_HELLOS, ReplayMemory } from "./replay_filter.ts";

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

Deno.test("a flood behind an honest client's own address does not make its hello come again", () => {
  const memory = new ReplayMemory(100);
  for (let i = 0; i < 10; i++) {
    assert(memory.isNew(random(i), NOW, "192.0.2.1"));
    memory.complete(random(i), NOW, "192.0.2.1");
  }
  for (let i = 100; i < 1000; i++) assert(memory.isNew(random(i), NOW, "192.0.2.1"));
  for (let i = 0; i < 10; i++) assert(!memory.isNew(random(i), NOW + 200_000, "192.0.2.1"));
});

Deno.test("completed handshakes of one address push out its own, and none of another's", () => {
  const memory = new ReplayMemory(100);
  const use = (i: number, from: string) => {
    const was = memory.isNew(random(i), NOW, from);
    memory.complete(random(i), NOW, from);
    return was;
  };
  for (let i = 0; i < 10; i++) assert(use(i, "honest"));
  for (let i = 100; i < 1000; i++) assert(use(i, "flood"));
  for (let i = 0; i < 10; i++) assert(!use(i, "honest"));
  assert.equal(memory.size, 100);
});

Deno.test("a hello under way is forgotten before one that was completed", () => {
  const memory = new ReplayMemory(4);
  assert(memory.isNew(random(1), NOW, "a"));
  memory.complete(random(1), NOW, "a");
  memory.complete(random(1), NOW, "a");
  for (let i = 2; i < 6; i++) assert(memory.isNew(random(i), NOW, String(i)));
  assert.equal(memory.size, 4);
  assert(!memory.isNew(random(1), NOW, "192.0.2.1"));
});

Deno.test("what is forgotten is always the oldest of the greediest, never completed before answered", () => {
  const step = fc.record({
    from: fc.integer({ min: 0, max: 4 }),
    completes: fc.boolean(),
    waits: fc.integer({ min: 0, max: 9_000 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
    const most = 12;
    const memory = new ReplayMemory(most);
    let model: { i: number; from: number; since: number; isDone: boolean }[] = [];
    let now = NOW;
    const evictIdle = () => {
      if (model.length < most) return;
      const isDone = model.every((entry) => entry.isDone);
      const kind = model.filter((entry) => entry.isDone === isDone);
      const count = (from: number) => kind.filter((entry) => entry.from === from).length;
      const top = Math.max(...kind.map(({ from }) => count(from)));
      // Among equally greedy ones any may lose: the memory's own choice is followed.
      const losers = [0, 1, 2, 3, 4].filter((from) => count(from) === top)
        .map((from) => kind.find((entry) => entry.from === from)!);
      return losers;
    };
    const after = (losers: typeof model | undefined) => {
      assert(memory.size <= most);
      if (losers === undefined) return;
      const lost = losers.filter(({ i }) => !memory.has(random(i)));
      assert.equal(lost.length, 1);
      model = model.filter((entry) => entry !== lost[0]);
    };
    steps.forEach(({ from, completes, waits }, i) => {
      now += waits;
      model = model.filter(({ since }) => now - since < 250_000);
      const losers = evictIdle();
      assert(memory.isNew(random(i), now, String(from)));
      after(losers);
      const entry = { i, from, since: now, isDone: completes };
      if (completes) memory.complete(random(i), now, String(from));
      model.push(entry);
      for (const known of model) assert(memory.has(random(known.i)), `hello ${known.i}`);
      assert.equal(memory.size, model.length);
    });
  }));
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

Deno.test("a hello of one key does not make the same bytes of another key's known", () => {
  const memory = new ReplayMemory();
  const random = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  assert(memory.isNew(random, 0, "192.0.2.1", "ann"));
  memory.complete(random, 0, "192.0.2.1", "ann");
  assert(!memory.has(random, "ben"));
  assert(memory.isNew(random, 0, "192.0.2.2", "ben"));
  assert.deepEqual([memory.has(random, "ann"), memory.has(random, "ben")], [true, true]);
  assert(!memory.isNew(random, 0, "192.0.2.3", "ann"));
  assert(!memory.isNew(random, 0, "192.0.2.3", "ben"));
});
