import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { ipBatch, UdpWorld, type WorldOptions } from "../../../../tests/fake/udp_world.ts";
import { writeU32 } from "../../../base/bytes.ts";
import { TAG_SIZE } from "../../../contract/cipher.ts";
import { HEAD_SIZE } from "./head.ts";

/** A packet's content that says its number. */
function numbered(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(8, size)).fill(number);
  writeU32(bytes, 0, number);
  return bytes;
}

const numberOf = (packet: Uint8Array) => new DataView(packet.buffer).getUint32(20);

function connected(o: WorldOptions = {}): UdpWorld {
  const world = new UdpWorld(o);
  world.connect();
  return world;
}

/** Seals frames as one datagram of the client's, which arrives. */
function speak(world: UdpWorld, ...frames: number[]): void {
  const bytes = new Uint8Array(HEAD_SIZE + frames.length + TAG_SIZE);
  bytes.set(frames, HEAD_SIZE);
  world.client!.seal(bytes, 0, bytes.length - TAG_SIZE, world.now);
  world.inject(bytes, world.address, true);
}

const shares = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
  duplicate: fc.double({ min: 0, max: 0.5, noNaN: true }),
  jitterMs: fc.integer({ min: 0, max: 80 }),
  phaseDatagrams: fc.constantFrom(5, 64, 1e6),
  cipher: fc.constantFrom("chacha20-poly1305" as const, "aes-256-gcm" as const),
});
const sizes = fc.array(fc.integer({ min: 8, max: 1400 }), { minLength: 1, maxLength: 60 });

Deno.test("over a path that loses, doubles and mixes, each packet comes once at most, as it was", () => {
  fc.assert(
    fc.property(shares, sizes, sizes, (o, there, back) => {
      const world = connected(o);
      const send = (from: "client" | "server", sizes: number[]) => {
        for (let i = 0; i < sizes.length; i += 7) {
          const batch = sizes.slice(i, i + 7).map((size, j) => numbered(i + j, size));
          assert.equal(world.send(from, ipBatch(...batch)), 0);
          world.run(3);
        }
      };
      send("client", there);
      send("server", back);
      world.run(500);
      for (const [came, sizes] of [[world.atServer, there], [world.atClient, back]] as const) {
        const numbers = came.map(numberOf);
        assert.equal(new Set(numbers).size, numbers.length);
        for (const [i, number] of numbers.entries()) {
          assert.deepEqual(came[i]!.subarray(20), numbered(number, sizes[number]!));
        }
        // A phase that is two ahead cannot be read.
        if (o.loss === 0 && o.phaseDatagrams >= 64) assert.equal(numbers.length, sizes.length);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("datagrams overtaken by thousands are taken, replays never, whatever the phase", () => {
  for (const phaseDatagrams of [100, 2000, 1e6]) {
    const world = connected({ phaseDatagrams });
    const held: Uint8Array[] = [];
    const fly = world.fly.bind(world);
    world.fly = (bytes) => void held.push(bytes);
    for (let i = 0; i < 1200; i++) world.send("client", ipBatch(numbered(i, 300)));
    world.fly = fly;
    const rng = seededRng(3);
    const mixed = held.map((bytes) => ({ bytes, order: rng(4).join() }));
    // The phase's border is passed only by neighbours, as a key two phases ahead is unknown.
    const order = phaseDatagrams === 100 ? held : mixed.sort((a, b) => a.order < b.order ? -1 : 1)
      .map(({ bytes }) => bytes);
    for (const bytes of order) world.inject(bytes, world.address, true);
    world.run(100);
    assert.equal(world.atServer.length, 1200);
    for (const bytes of [...held, ...order.toReversed()]) world.inject(bytes, world.address, true);
    world.run(100);
    assert.equal(world.atServer.length, 1200);
  }
});

Deno.test("a datagram with any bit changed gives nothing", () => {
  const world = connected();
  const held: Uint8Array[] = [];
  const fly = world.fly.bind(world);
  world.fly = (bytes) => void held.push(bytes);
  world.send("client", ipBatch(numbered(1, 8)));
  world.fly = fly;
  for (let bit = 0; bit < held[0]!.length * 8; bit++) {
    const wrong = held[0]!.slice();
    wrong[bit >> 3] = wrong[bit >> 3]! ^ 1 << (bit & 7);
    world.inject(wrong, world.address, true);
  }
  world.run(100);
  assert.equal(world.atServer.length, 0);
  world.inject(held[0]!, world.address, true);
  world.run(100);
  assert.deepEqual(world.atServer.map(numberOf), [1]);
});

Deno.test("small packets share a datagram, and large ones have their own", () => {
  const world = connected();
  const before = world.sent.length;
  const small = Array.from({ length: 40 }, (_, i) => numbered(i, 60));
  const large = [numbered(40, 1400), numbered(41, 1000)];
  world.send("client", ipBatch(...small, ...large, numbered(42, 20)));
  const sizes = world.sent.slice(before).map(({ bytes }) => bytes.length);
  assert.equal(sizes.length, 6, `${sizes}`);
  assert(sizes.every((size) => size <= 1452));
  world.run(100);
  assert.deepEqual(world.atServer.map(numberOf), Array.from({ length: 43 }, (_, i) => i));
});

Deno.test("a packet that fits no datagram is left out, and others go", () => {
  const world = connected();
  const left = world.send("client", ipBatch(numbered(1, 9), numbered(2, 1500), numbered(3, 9)));
  assert.equal(left, 1);
  world.run(100);
  assert.deepEqual(world.atServer.map(numberOf), [1, 3]);
});

Deno.test("the server follows a client to its new address, and sends little there until it answers", () => {
  const world = connected();
  const old = world.address;
  world.run(100);
  world.address = "203.0.113.77:4444";
  world.send("client", ipBatch(numbered(1, 100)));
  const moved = world.sent.at(-1)!;
  world.run(25);
  // The client's pong is not there yet: 3 times what came may go there, with the ping.
  const before = world.sent.length;
  for (let i = 0; i < 20; i++) world.send("server", ipBatch(numbered(i, 100)));
  const bytes = world.sent.filter(({ client, toServer }) => !toServer && client === world.address)
    .reduce((sum, one) => sum + one.bytes.length, 0);
  assert(bytes <= 3 * moved.bytes.length, `${bytes} for ${moved.bytes.length}`);
  assert(world.sent.length > before);
  world.run(60);
  const count = world.atClient.length;
  for (let i = 100; i < 150; i++) world.send("server", ipBatch(numbered(i, 100)));
  world.run(40);
  assert.equal(world.atClient.length, count + 50);
  // An old datagram from the old address moves nothing.
  const early = world.sent.find(({ client, toServer }) => toServer && client === old)!;
  world.inject(early.bytes, old, true);
  world.run(50);
  assert.equal(`${world.server!.path.remote.port}`, "4444");
});

Deno.test("whoever sends a client's datagrams again from elsewhere gets no more than three times as much", () => {
  const world = connected();
  const thief = "203.0.113.66:6";
  const fly = world.fly.bind(world);
  // The thief is always first, and answers no ping.
  world.fly = (bytes, client, toServer) => {
    if (toServer) world.inject(bytes, thief, true);
    else fly(bytes, client, toServer);
  };
  for (let i = 0; i < 50; i++) {
    world.send("client", ipBatch(numbered(i, 50)));
    world.send("server", ipBatch(...Array.from({ length: 9 }, () => numbered(i, 1000))));
    world.run(25);
  }
  const got = world.sent.filter(({ client, toServer }) => !toServer && client === thief)
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert(got > 0 && got <= 3 * 50 * 150, `${got}`);
  // One datagram from the client itself brings all of it back there.
  world.fly = fly;
  const count = world.atClient.length;
  world.send("client", ipBatch(numbered(1, 50)));
  world.run(30);
  world.send("server", ipBatch(numbered(5, 1000)));
  world.run(30);
  assert(world.atClient.slice(count).some((packet) => numberOf(packet) === 5));
});

Deno.test("source addresses that change each second: each gap is two round trips at most", () => {
  const world = connected({ delayMs: 20 });
  let last = world.now;
  let longest = 0;
  for (let i = 0; i < 600; i++) {
    if (i % 100 === 0) world.address = `203.0.113.1:${2000 + i}`;
    world.send("client", ipBatch(numbered(i, 900)));
    const before = world.atClient.length;
    world.send("server", ipBatch(numbered(i, 900)));
    world.run(10);
    if (world.atClient.length > before) {
      longest = Math.max(longest, world.now - last);
      last = world.now;
    }
  }
  assert(longest <= 90, `${longest} ms`);
  assert(world.atClient.length > 540);
});

Deno.test("idle ends keep each other alive, and a silent one is dead after its time", () => {
  const world = connected();
  world.run(120_000);
  assert(!world.client!.isDead(world.now) && !world.server!.isDead(world.now));
  const pings = world.sent.filter(({ at }) => at > 60_000).length;
  assert(pings >= 2 * 2 * 10 && pings <= 2 * 2 * 16, `${pings} in a minute`);
  assert(Math.abs(world.client!.rttMs - 40) < 1);
  world.fly = () => {};
  world.run(14_000);
  assert(world.client!.isUnanswered(world.now));
  world.run(10_000);
  assert(world.client!.isDead(world.now) && world.server!.isDead(world.now));
});

Deno.test("a close ends the connection at the other end, with its words", () => {
  const world = connected();
  world.client!.close(5, "going");
  world.run(50);
  assert.deepEqual(world.server!.closed, { code: 5, words: "going" });
});

Deno.test("of several pings in a datagram one is answered", () => {
  const world = connected();
  world.run(10);
  const before = world.sent.length;
  const ping = [3, 1, 2, 3, 4, 5, 6, 7, 8];
  speak(world, ...ping, ...ping, ...ping);
  world.run(30);
  assert.equal(world.sent.length, before + 1);
});

Deno.test("frames that do not go by UDP, or are cut, end the session; later ones are skipped", () => {
  for (const frames of [[2, 0, 1, 0], [5], [6, 0], [0x10, 0], [0x18], [0x7f], [1, 9, 1], [3, 1]]) {
    const world = connected();
    speak(world, ...frames);
    assert.throws(() => world.run(100), { kind: "protocol" }, `${frames}`);
  }
  const world = connected();
  speak(world, 0x99, 2, 1, 1, 0x80, 0, 1, 3, 7, 7, 7, 0, 5, 5);
  world.run(100);
  assert.deepEqual(world.atServer, [new Uint8Array([7, 7, 7])]);
});

Deno.test("the ids of other sessions and directions open nothing here", () => {
  const [one, other] = [connected({ seed: 1 }), connected({ seed: 2 })];
  other.send("client", ipBatch(numbered(1, 50)));
  other.send("server", ipBatch(numbered(1, 50)));
  for (const { bytes } of other.sent) {
    one.inject(bytes, one.address, true);
    one.inject(bytes, one.address, false);
  }
  for (const { bytes, toServer } of [...one.sent]) one.inject(bytes, one.address, !toServer);
  one.run(200);
  assert.deepEqual([one.atServer.length, one.atClient.length], [0, 0]);
});
