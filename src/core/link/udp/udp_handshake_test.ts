import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { UdpWorld } from "../../../../tests/fake/udp_world.ts";
import { LEAST_FLIGHT_1, MOST_FLIGHT_1 } from "./client_handshake.ts";

/** Bytes that the server has sent to and got from an address. */
function bytesOf(world: UdpWorld, address: string, toServer: boolean): number {
  return world.sent.filter((one) => one.client === address && one.toServer === toServer)
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
}

Deno.test("a handshake takes four datagrams, and no answer is longer than what it answers", () => {
  const world = new UdpWorld();
  world.connect();
  const sizes = world.sent.slice(0, 4).map(({ bytes }) => bytes.length);
  assert.deepEqual(world.sent.slice(0, 4).map(({ toServer }) => toServer), [
    true,
    false,
    true,
    false,
  ]);
  assert(sizes[0]! >= LEAST_FLIGHT_1 && sizes[0]! <= MOST_FLIGHT_1);
  assert(sizes[1]! <= sizes[0]!);
});

Deno.test("without the key the server is silent, and the client says so in the end", () => {
  const world = new UdpWorld({ serverSecret: new Uint8Array(32).fill(9) });
  assert.throws(() => world.run(60_000), { kind: "timeout" });
  assert.equal(world.sent.filter(({ toServer }) => !toServer).length, 0);
  assert.deepEqual(world.sent.map(({ at }) => Math.round(at)), [
    0,
    250,
    500,
    750,
    1000,
    1250,
    1500,
    1750,
    2000,
    2500,
    3500,
  ]);
  assert.equal(new Set(world.sent.map(({ bytes }) => bytes.join())).size, 1);
});

Deno.test("sessions come about at 30 % loss, 99 of 100 within 5 s", () => {
  let late = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const world = new UdpWorld({ seed, loss: 0.3, duplicate: 0.1, jitterMs: 30 });
    try {
      world.connect(5000);
    } catch {
      late++;
    }
  }
  assert(late <= 2, `${late} of 200 were late`);
});

Deno.test("a first datagram that comes again, from elsewhere, or later gets nothing new", () => {
  const world = new UdpWorld();
  const first = world.handshake.due(0)!;
  const before = "203.0.113.9:1";
  world.inject(first, before, true);
  world.inject(first, before, true);
  world.inject(first, "203.0.113.10:2", true);
  world.run(100);
  const answers = world.sent.filter(({ toServer }) => !toServer);
  assert.deepEqual(answers.map(({ client }) => client), [before, before]);
  assert.deepEqual(answers[0]!.bytes, answers[1]!.bytes);
  assert.equal(bytesOf(world, "203.0.113.10:2", false), 0);
  world.client ??= null;
  // Much later it is stale.
  world.now += 200_000;
  const count = world.sent.length;
  world.inject(first, before, true);
  try {
    world.run(50);
  } catch {
    // The client of this world has long given up.
  }
  assert.equal(world.sent.slice(count).filter(({ toServer }) => !toServer).length, 0);
});

Deno.test("a stale hello is not answered, and its clock is told", () => {
  const world = new UdpWorld();
  const first = world.handshake.due(0)!;
  world.now = 130_000;
  world.inject(first, world.address, true);
  world.handshake = new UdpWorld().handshake;
  world.handshake.due(world.now);
  world.run(100);
  assert.equal(world.sent.filter(({ toServer }) => !toServer).length, 0);
  assert.deepEqual(world.stale, [-128]);
});

Deno.test("flights that were changed on their way end nothing: the right ones still count", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.nat(), fc.nat(7), (seed, place, bit) => {
      const world = new UdpWorld({ seed });
      const fly = world.fly.bind(world);
      // Before each datagram, the same with one bit changed.
      world.fly = (bytes, client, toServer) => {
        const wrong = bytes.slice();
        const at = place % wrong.length;
        wrong[at] = wrong[at]! ^ 1 << bit;
        if (world.sent.length < 12) world.inject(wrong, client, toServer);
        fly(bytes, client, toServer);
      };
      world.connect(6000);
    }),
    { numRuns: 60 },
  );
});

Deno.test("random datagrams and cut ones change nothing, and get no answer", () => {
  const world = new UdpWorld();
  world.connect();
  const rng = seededRng(5);
  const count = world.sent.filter(({ toServer }) => !toServer).length;
  for (let i = 0; i < 2000; i++) {
    const size = i % 3 === 0 ? LEAST_FLIGHT_1 + i % 151 : i % 1500;
    world.inject(rng(size), "203.0.113.1:5", true);
    const real = world.sent[i % world.sent.length]!.bytes;
    world.inject(real.subarray(0, i % real.length), "203.0.113.1:5", true);
    world.inject(rng(i % 200), world.address, false);
  }
  world.run(1000);
  assert.equal(world.sent.filter(({ toServer }) => !toServer).length, count);
  assert.deepEqual([world.atServer.length, world.atClient.length], [0, 0]);
});

Deno.test("a lost answer to the setup comes again, and a replayed setup gets it nowhere else", () => {
  const world = new UdpWorld();
  const fly = world.fly.bind(world);
  const answers: string[] = [];
  world.fly = (bytes, client, toServer) => {
    if (!toServer && world.server !== null && world.client === null) {
      answers.push(bytes.join());
      if (answers.length < 3) return;
    }
    fly(bytes, client, toServer);
  };
  world.connect();
  assert.equal(answers.length, 3);
  assert.equal(new Set(answers).size, 1);
  const third = world.sent.filter(({ toServer }) => toServer)[1]!;
  world.inject(third.bytes, "203.0.113.1:5", true);
  world.run(100);
  assert.equal(bytesOf(world, "203.0.113.1:5", false), 0);
});

Deno.test("a client that is refused hears why", () => {
  const world = new UdpWorld();
  world.onClient = (client) =>
    world.fly(client.refuse(2, "taken by another"), world.address, false);
  assert.throws(() => world.connect(), { kind: "busy", message: /taken by another/ });
});

Deno.test("bytes of datagrams look random: each bit is set in half of them", () => {
  const counts = new Float64Array(40 * 8);
  let total = 0;
  const add = (bytes: Uint8Array) => {
    total++;
    for (let i = 0; i < counts.length; i++) counts[i]! += bytes[i >> 3]! >> (i & 7) & 1;
  };
  for (let seed = 1; seed <= 150; seed++) {
    const world = new UdpWorld({ seed });
    world.connect();
    for (let i = 0; i < 10; i++) {
      world.client!.ping(world.now);
      world.run(50);
    }
    for (const { bytes } of world.sent) if (bytes.length >= 40) add(bytes);
  }
  // Six standard deviations.
  const most = 3 * Math.sqrt(total);
  const worst = counts.reduce((a, count) => Math.max(a, Math.abs(count - total / 2)), 0);
  assert(worst < most, `${worst} of ${total}, more than ${most}`);
});
