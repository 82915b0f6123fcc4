import assert from "node:assert/strict";
import type { ToxEvent } from "../../../ffi/tox/tox_types.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeTox } from "../../../tests/fake/tox.ts";
import { RecordRing, ringMemory } from "./record_ring.ts";
import { RemoteTox } from "./remote_tox.ts";
import { LEAST_WINDOW } from "./send_window.ts";
import { ToxEngine } from "./tox_engine.ts";
import type { ToxNodeEvents } from "./tox_node.ts";

const KEY = new Uint8Array(32).fill(3);
const ONLINE = { kind: "friend", friend: 0, connection: "udp" } as const;

/** Both sides in one thread, whose time passes by `run` alone. */
function open({ tox = new FakeTox(), commandBytes = 256 * 1024, reportBytes = 64 * 1024 } = {}) {
  const [memories, clock] = [[ringMemory(commandBytes), ringMemory(reportBytes)], new FakeClock()];
  const rings = () => {
    const [commands, reports] = memories.map((memory) => new RecordRing(memory));
    return { commands: commands!, reports: reports! };
  };
  const time = { now: 0 };
  const engine = new ToxEngine({ ...rings(), tox, now: () => time.now });
  let wakes = 0;
  const node = new RemoteTox({
    ...{ ...rings(), sizes: tox.sizes, clock },
    wake: () => void wakes++,
  });
  const told: string[] = [];
  const events: ToxNodeEvents = {
    self: (connection) => told.push(`self ${connection}`),
    friendRequest: (key, message) => told.push(`request ${key[0]} ${message.join()}`),
    friendConnection: (friend, connection) => told.push(`friend ${friend} ${connection}`),
    friendRefused: (friend, { message }) => told.push(`refused ${friend} ${message}`),
    packet: (friend, bytes) => told.push(`packet ${friend} ${bytes.join()}`),
    room: () => told.push("room"),
    failed: (error) => told.push(`failed: ${(error as Error).message}`),
  };
  /** Lets so many milliseconds pass; returns what is told. */
  const run = async (ms: number, ...happening: ToxEvent[]) => {
    tox.events.push(...happening);
    const until = time.now + ms;
    for (;;) {
      const pause = engine.step();
      node.read();
      await clock.settle();
      if (pause === null || time.now + pause > until) break;
      time.now += Math.max(pause, 0.1);
    }
    time.now = until;
    return told.splice(0);
  };
  return { tox, node, engine, events, clock, run, time, wakes: () => wakes };
}

Deno.test("what happens is told with a number of the friend that is its own for ever", async () => {
  const { tox, node, events, run } = open();
  node.start(events);
  const request = { kind: "request", publicKey: KEY, message: Uint8Array.of(1, 2) } as const;
  assert.deepEqual(await run(50, { kind: "self", connection: "tcp" }, request), [
    "self tcp",
    "request 3 1,2",
  ]);
  const friend = node.acceptFriend(KEY);
  assert.equal(friend, 1);
  await run(50);
  const packet = { kind: "packet", friend: 0, bytes: Uint8Array.of(160, 7) } as const;
  assert.deepEqual(await run(50, ONLINE, packet, { ...packet, friend: 5 }), [
    "friend 1 udp",
    "packet 1 160,7",
  ]);
  node.deleteFriend(friend);
  assert.deepEqual(await run(50, ONLINE, packet), []);
  assert.deepEqual(tox.friends, []);
  assert.equal(node.send(friend, Uint8Array.of(160)), "offline");
  tox.acceptFriend = () => 0; // the library gives a number again
  assert.equal(node.acceptFriend(KEY), 2);
  await run(50);
  assert.deepEqual(await run(50, ONLINE), ["friend 2 udp"]);
});

Deno.test("nothing is iterated before the start, and friends of a kept identity are forgotten", async () => {
  const tox = new FakeTox();
  tox.acceptFriend(KEY);
  const { node, events, run } = open({ tox });
  assert.deepEqual(tox.friends, []);
  await run(1000);
  assert.equal(tox.iterations, 0);
  node.start(events);
  await run(1000);
  assert.ok(tox.iterations >= 20);
});

Deno.test("a friend that the library does not take is told, and others go on", async () => {
  const { tox, node, events, run } = open();
  node.start(events);
  const accept = tox.acceptFriend.bind(tox);
  tox.acceptFriend = () => {
    throw new Error("own");
  };
  const friend = node.addFriend(new Uint8Array(38), Uint8Array.of(1));
  assert.deepEqual(await run(1), [`refused ${friend} Unexpected failure: Error: own`]);
  tox.acceptFriend = accept;
  node.addFriend(new Uint8Array(38), Uint8Array.of(1));
  await run(1);
  assert.deepEqual(tox.friends, [0]);
});

Deno.test("packets go in order, wait for the library, and room is told", async () => {
  const { tox, node, events, run } = open();
  node.start(events);
  const friend = node.acceptFriend(KEY);
  await run(50, ONLINE);
  tox.results = ["sent", "full", "full", "full", "full", "full"];
  let sent = 0;
  const fill = () => {
    while (node.send(friend, Uint8Array.of(160, sent)) === "sent") sent++;
  };
  fill();
  assert.equal(sent, LEAST_WINDOW);
  assert.equal(node.send(friend, Uint8Array.of(160, 255)), "full");
  assert.deepEqual(await run(2), ["room"]);
  assert.equal(tox.sent.length, 1);
  fill();
  assert.equal(sent, LEAST_WINDOW + 1);
  assert.deepEqual(await run(40), ["room"]);
  fill();
  await run(200);
  assert.deepEqual(
    tox.sent.map(({ bytes }) => bytes[1]),
    Array.from({ length: sent }, (_, i) => i),
  );
});

Deno.test("it iterates every 5 ms while packets go, and as the library wants otherwise", async () => {
  const { tox, node, events, run } = open();
  node.start(events);
  const friend = node.acceptFriend(KEY);
  await run(1000, ONLINE);
  const before = tox.iterations;
  await run(1000);
  assert.equal(tox.iterations - before, 20);
  for (let i = 0; i < 10; i++) {
    node.send(friend, Uint8Array.of(160));
    await run(100);
  }
  assert.ok(tox.iterations - before - 20 >= 195, String(tox.iterations));
});

Deno.test("without room for reports it does not iterate, and nothing is lost", async () => {
  const { tox, node, events, run, engine, time } = open({ reportBytes: 4096 });
  node.start(events);
  node.acceptFriend(KEY);
  await run(50, ONLINE);
  const bytes = new Uint8Array(1000).fill(161);
  tox.events.push(
    ...Array.from({ length: 20 }, () => ({ kind: "packet", friend: 0, bytes }) as const),
  );
  const before = tox.iterations;
  for (let i = 0; i < 100; i++) time.now += engine.step()!;
  assert.equal(tox.iterations, before + 1);
  const told = await run(100);
  assert.equal(told.filter((line) => line.startsWith("packet 1 161")).length, 20);
  assert.ok(tox.iterations > before + 1);
});

Deno.test("many reports leave others their turn", async () => {
  const { tox, node, events, engine, time, run } = open();
  let count = 0;
  events.packet = () => void count++;
  node.start(events);
  node.acceptFriend(KEY);
  await run(50);
  const packet = { kind: "packet", friend: 0, bytes: Uint8Array.of(161) } as const;
  tox.events.push(...new Array<typeof packet>(100).fill(packet));
  time.now += 50;
  engine.step();
  node.read();
  assert.ok(count > 0 && count < 100, `${count}`);
  await run(1);
  assert.equal(count, 100);
});

Deno.test("at the end packets that wait go, friends are told, and it ends", async () => {
  const { tox, node, events, engine, run } = open();
  node.start(events);
  const friend = node.acceptFriend(KEY);
  await run(50, ONLINE);
  tox.results = ["full", "full"];
  for (let i = 0; i < 5; i++) node.send(friend, Uint8Array.of(160, i));
  node[Symbol.dispose]();
  assert.equal(node.send(friend, Uint8Array.of(160)), "offline");
  assert.deepEqual(await run(100), []);
  await node.stopped;
  assert.equal(tox.sent.length, 5);
  assert.ok(tox.isClosed);
  assert.equal(engine.step(), null);
});

Deno.test("a library that takes nothing more does not keep it from ending", async () => {
  const { tox, node, events, run } = open();
  node.start(events);
  const friend = node.acceptFriend(KEY);
  await run(50, ONLINE);
  tox.results = new Array(1000).fill("full");
  node.send(friend, Uint8Array.of(160));
  node[Symbol.dispose]();
  await run(300);
  assert.ok(!tox.isClosed);
  await run(200);
  await node.stopped;
  assert.ok(tox.isClosed);
});

Deno.test("a failure of the library is told with its words, and ends it", async () => {
  const { tox, node, events, run, engine } = open();
  node.start(events);
  await run(50);
  tox.iterate = () => {
    throw new Error("it is broken");
  };
  assert.deepEqual(await run(100), ["failed: Unexpected failure: Error: it is broken"]);
  await node.stopped;
  assert.ok(tox.isClosed);
  assert.equal(engine.step(), null);
});

Deno.test("a handler that throws closes the node, with its words", async () => {
  const { tox, node, events, run } = open();
  events.self = () => {
    throw new Error("a fault");
  };
  node.start(events);
  assert.deepEqual(await run(100, { kind: "self", connection: "udp" }), ["failed: a fault"]);
  await node.stopped;
  assert.ok(tox.isClosed);
});

Deno.test("memory between the threads is bounded, whatever the library takes", async () => {
  const { tox, node, events, run } = open({ commandBytes: 1024 * 1024 });
  node.start(events);
  const friends = Array.from({ length: 300 }, (_, i) => node.acceptFriend(KEY.map(() => i)));
  await run(50);
  tox.send = () => "full";
  const packet = new Uint8Array(1373);
  let sent = 0;
  for (let round = 0; round < 5; round++) {
    for (const friend of friends) while (node.send(friend, packet) === "sent") sent++;
    await run(10);
  }
  assert.ok(sent <= 2048 + friends.length * LEAST_WINDOW, `${sent}`);
});

Deno.test("commands wake the other thread once for all that go at a time", async () => {
  const { node, events, run, wakes } = open();
  node.start(events);
  const friend = node.acceptFriend(KEY);
  await run(1);
  assert.equal(wakes(), 1);
  for (let i = 0; i < 10; i++) node.send(friend, Uint8Array.of(160, i));
  await run(1);
  assert.equal(wakes(), 2);
});

Deno.test("a thread that takes no commands any more is a failure, and costs no memory", async () => {
  const { node, events, clock } = open({ commandBytes: 1024 });
  const failures: string[] = [];
  events.failed = (error) => failures.push((error as Error).message);
  node.start(events);
  for (let i = 0; i < 100; i++) {
    node.acceptFriend(KEY);
    node.bootstrap({ host: "127.0.0.1", port: 1, publicKey: KEY });
  }
  await clock.settle();
  assert.deepEqual(failures, ["Cannot use Tox: its thread has come to a halt"]);
  await node.stopped;
});
