import { deepEqual, equal, notEqual } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import type { Frame } from "../../src/core/mesh/frame.ts";
import { joinKey } from "../../src/core/mesh/record.ts";
import { fleet, list, read, remove, settle, write } from "./fleet.ts";
import { pick, seededRandom } from "./random.ts";
import { faultOfCopies, replicasOf } from "./record_checks.ts";
import { faultOfRing, inOrder } from "./ring_checks.ts";
import { type SimulatedNode, World } from "./world.ts";

const keyOf = (i: number) => `kv/b${i}/x`;

function fill(world: World, count: number, nodes = world.live): void {
  for (let i = 0; i < count; i++) {
    equal(write(world, nodes[i % nodes.length]!, keyOf(i), `value ${i}`).is, "written", keyOf(i));
  }
}

function mustHave(world: World, count: number, nodes = world.live): void {
  for (let i = 0; i < count; i++) {
    equal(read(world, nodes[(i * 7 + 3) % nodes.length]!, keyOf(i)), `value ${i}`, keyOf(i));
  }
}

Deno.test("mesh: a value that any node writes is read at every node", () => {
  const world = fleet(7);
  settle(world);
  for (const writer of world.live) {
    write(world, writer, `kv/by/n${writer.index}`, `of ${writer.index}`);
    for (const reader of world.live) {
      equal(read(world, reader, `kv/by/n${writer.index}`), `of ${writer.index}`);
    }
  }
  deepEqual(list(world, world.live[3]!, "kv/by", 2), world.live.map(({ index }) => `n${index}`));
});

Deno.test("mesh: a durable write is acknowledged once three hosts have it on disk, a soft one once two know it", () => {
  const world = fleet(7);
  settle(world);
  for (const node of world.nodes) node.disk.latency = 2 + 40 * node.index;
  for (let i = 0; i < 60; i++) {
    const key = `kv/w${i}/x`;
    const value = utf8("value");
    const writer = world.live[i % 7]!;
    let copies = -1;
    const onDisk = () => world.nodes.filter(({ disk }) => disk.get(key) !== undefined).length;
    world.ask(
      writer,
      (ring, id, now) => ring.put(id, { key, value, class: "durable" }, now),
      () => {
        copies = onDisk();
      },
    );
    equal(onDisk(), 0);
    world.passUntil(() => copies >= 0, 10_000, 10);
    equal(copies >= 3, true, `${copies} copies of ${key} when it was acknowledged`);

    const route = `route/w${i}/x`;
    const soft = { key: route, value, class: "soft", ttlMs: 90_000 } as const;
    let holders = -1;
    world.ask(writer, (ring, id, now) => ring.put(id, soft, now), () => {
      holders = world.live.filter(({ ring }) =>
        ring!.heldRecords().some((record) =>
          joinKey(record) === route
        )
      ).length;
    });
    world.passUntil(() => holders >= 0, 10_000, 10);
    equal(holders >= 2, true, `${holders} copies of ${route} when it was acknowledged`);
  }
});

Deno.test("mesh: one node alone serves, and a deletion is one", () => {
  const world = fleet(1);
  equal(write(world, world.live[0]!, "kv/a/b", "1").is, "written");
  equal(read(world, world.live[0]!, "kv/a/b"), "1");
  equal(remove(world, world.live[0]!, "kv/a/b").is, "written");
  equal(read(world, world.live[0]!, "kv/a/b"), null);
  deepEqual(list(world, world.live[0]!, "kv/a"), []);
});

Deno.test("mesh: two hosts at once may lose their disks", () => {
  const world = fleet(20);
  settle(world);
  fill(world, 150);
  settle(world);
  const order = inOrder(world);
  for (let round = 0; round < 4; round++) {
    const pair = [order[round * 5]!, order[round * 5 + 1]!];
    for (const node of pair) {
      world.crash(node);
      node.disk.wipe();
    }
    world.pass(10_000);
    for (const node of pair) world.start(node);
    world.pass(10_000);
  }
  settle(world);
  mustHave(world, 150);
});

Deno.test("mesh: processes of one host hold one copy, so whole hosts may go", () => {
  const world = fleet(32, { perHost: 4 });
  settle(world);
  fill(world, 200);
  settle(world);
  for (const node of world.nodes) {
    if (node.host !== "h2" && node.host !== "h5") continue;
    world.crash(node);
    node.disk.wipe();
  }
  settle(world, 60_000);
  mustHave(world, 200);
});

Deno.test("mesh: halves that were apart, both writing, become one ring with all writes", () => {
  const world = fleet(30);
  settle(world);
  const random = seededRandom(3);
  const half = world.nodes.filter(() => random() < 0.5).map(({ index }) => index);
  const others = world.nodes.map(({ index }) => index).filter((index) => !half.includes(index));
  const mend = world.network.part(half, others, true);
  world.pass(30_000);
  const written: [string, string][] = [];
  for (let i = 0; i < 60; i++) {
    const side = i % 2 === 0 ? half : others;
    const node = world.nodes[side[pick(random, side.length)]!]!;
    if (write(world, node, keyOf(i), `of ${i}`).is === "written") {
      written.push([keyOf(i), `of ${i}`]);
    }
  }
  equal(written.length, 60);
  world.pass(30_000);
  mend();
  settle(world);
  for (const [key, value] of written) equal(read(world, world.nodes[0]!, key), value, key);
});

Deno.test("mesh: a ring in three parts heals as well", () => {
  const world = fleet(24);
  settle(world);
  fill(world, 40);
  const parts = [0, 1, 2].map((part) =>
    world.nodes.filter(({ index }) => index % 3 === part).map(({ index }) => index)
  );
  const mends = [[0, 1], [1, 2], [0, 2]].map(([a, b]) =>
    world.network.part(parts[a!]!, parts[b!]!, true)
  );
  world.pass(60_000);
  for (const mend of mends) mend();
  settle(world);
  mustHave(world, 40);
});

Deno.test("mesh: two strangers' rings become one by a single introduction", () => {
  const world = fleet(15);
  for (let i = 0; i < 15; i++) world.start(world.add({ seeds: i === 0 ? [] : [15] }));
  world.pass(60_000);
  const [one, other] = [world.nodes[4]!, world.nodes[20]!];
  equal(faultOfRing(world) === null, false);
  world.act(one, (ring, now) => ring.met(other.descriptor, now, true));
  settle(world, 30_000);
});

Deno.test("mesh: all start cold within ten seconds", () => {
  const world = fleet(0);
  for (let i = 0; i < 30; i++) world.add({ seeds: [0, 1, 2] });
  for (const node of world.nodes) world.at(10_000 * world.random(), () => world.start(node));
  world.pass(10_000);
  settle(world);
});

Deno.test("mesh: a rolling restart during writes loses nothing", () => {
  const world = fleet(8);
  settle(world);
  fill(world, 40);
  let at = 40;
  for (const node of world.nodes) {
    const others = world.live.filter((other) => other !== node);
    world.leave(node);
    for (let i = 0; i < 5; i++, at++) {
      equal(write(world, others[at % others.length]!, keyOf(at), `value ${at}`).is, "written");
    }
    world.passUntil(() => node.ring === null, 35_000);
    world.start(node);
    world.pass(5000);
  }
  settle(world);
  mustHave(world, at);
});

Deno.test("mesh: nodes leave one after the other until one has everything", () => {
  const world = fleet(12);
  settle(world);
  fill(world, 60);
  for (const node of world.nodes.slice(1)) {
    world.leave(node);
    equal(world.passUntil(() => node.ring === null, 35_000) === null, false);
    world.pass(1000);
  }
  settle(world);
  mustHave(world, 60);
});

Deno.test("mesh: a node that answers late is passed by, and writes do not fail", () => {
  const world = fleet(20);
  settle(world);
  world.nodes[7]!.delay = 3000;
  world.pass(10_000);
  const began = world.now;
  fill(world, 100, world.live.filter(({ index }) => index !== 7));
  equal((world.now - began) / 100 < 400, true);
  world.nodes[7]!.delay = 0;
  settle(world);
});

Deno.test("mesh: links that are broken for single pairs are passed by", () => {
  const world = fleet(20);
  const random = seededRandom(4);
  for (let i = 0; i < 20; i++) {
    const [a, b] = [pick(random, 20), pick(random, 20)];
    if (a !== b) world.network.part([a], [b], true);
  }
  world.pass(30_000);
  let failed = 0;
  for (let i = 0; i < 200; i++) {
    if (write(world, world.nodes[i % 20]!, keyOf(i % 50), `value ${i}`).is !== "written") failed++;
  }
  equal(failed <= 2, true, `${failed} of 200 writes failed`);
});

Deno.test("mesh: a frozen node comes back as if nothing had been, and blames nobody", () => {
  const world = fleet(10);
  settle(world);
  fill(world, 30);
  const node = world.nodes[5]!;
  node.frozenUntil = world.now + 30_000;
  world.pass(31_000);
  const dead = node.events.filter(({ name }) => name === "dead");
  settle(world);
  equal(dead.length <= 1, true, `${dead.length} peers called dead`);
  mustHave(world, 30);
});

Deno.test("mesh: hundreds of dead peers in memory keep no two rings apart", () => {
  const world = fleet(20, { isChecked: false });
  settle(world);
  const ghosts = Array.from({ length: 300 }, () => world.add());
  for (const node of world.live) {
    for (const ghost of ghosts) world.act(node, (ring, now) => ring.met(ghost.descriptor, now));
  }
  const half = world.live.filter(({ index }) => index % 2 === 0).map(({ index }) => index);
  const others = world.live.filter(({ index }) => index % 2 === 1).map(({ index }) => index);
  const mend = world.network.part(half, others, true);
  world.pass(60_000);
  mend();
  settle(world, 45_000);
});

Deno.test("mesh: a ring that is wound twice unwinds", () => {
  const world = fleet(0);
  // Two rings that interleave, then meet at one pair each time.
  for (let i = 0; i < 21; i++) world.start(world.add({ seeds: i < 2 ? [] : [i % 2] }));
  world.pass(60_000);
  const order = inOrder(world);
  for (const [i, node] of order.entries()) {
    if (i % 7 !== 0) continue;
    const next = order[(i + 1) % order.length]!;
    world.act(node, (ring, now) => ring.met(next.descriptor, now, true));
  }
  settle(world, 30_000);
});

Deno.test("mesh: hints make no storm", () => {
  const world = fleet(20);
  settle(world);
  let hints = 0;
  world.tap = (_from: SimulatedNode, _to: SimulatedNode, frame: Frame) => {
    if (frame.type === "hint") hints++;
  };
  const [one, other] = [world.nodes[3]!, world.nodes[4]!];
  for (let i = 0; i < 100; i++) {
    const hint = { type: "hint", request: 0, node: other.descriptor } as const;
    world.act(one, (ring, now) => ring.feed(other.key, hint, now));
    world.pass(20);
  }
  world.pass(5000);
  equal(hints <= 20 * 4 * 2, true, `${hints} hints`);
});

Deno.test("mesh: seeds that are down are no harm to a fleet that remembers", () => {
  const world = fleet(9);
  settle(world);
  fill(world, 30);
  world.pass(61_000);
  for (const node of world.nodes) world.crash(node);
  // The seeds, 0 to 2, stay down: the others find each other by what their disks remember.
  for (const node of world.nodes.slice(3)) world.start(node);
  settle(world, 40_000);
  mustHave(world, 30);
});

Deno.test("mesh: a full disk refuses writes and serves reads", () => {
  const world = fleet(3);
  settle(world);
  fill(world, 10);
  for (const node of world.nodes) node.disk.isFull = true;
  const refused = write(world, world.nodes[0]!, "kv/full/x", "1");
  equal(refused.is === "failed" && refused.reason, "limit");
  mustHave(world, 10);
  for (const node of world.nodes) node.disk.isFull = false;
  world.pass(2000);
  equal(write(world, world.nodes[0]!, "kv/full/x", "2").is, "written");
  settle(world);
});

Deno.test("mesh: slow replicas make a read slow or fail, but nobody says that there is no record", () => {
  const world = fleet(12, { perHost: 2 });
  settle(world);
  fill(world, 20);
  settle(world);
  for (let i = 0; i < 20; i++) {
    const replicas = replicasOf(inOrder(world), `kv/b${i}`);
    for (const node of replicas) node.delay = 130;
    const reader = world.live.find((node) => !replicas.includes(node))!;
    for (let again = 0; again < 5; again++) {
      notEqual(read(world, reader, keyOf(i)), null, keyOf(i));
      world.pass(300);
    }
    for (const node of replicas) node.delay = 0;
    world.pass(5000);
  }
});

Deno.test("mesh: soft records live as long as they are refreshed; a withdrawn one does not return", () => {
  const world = fleet(6);
  settle(world);
  const [holder, reader] = [world.nodes[1]!, world.nodes[4]!];
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  for (let i = 0; i < 4; i++) {
    equal(write(world, holder, "route/a.example/i1", `at ${i}`, soft).is, "written");
    world.pass(30_000);
    equal(read(world, reader, "route/a.example/i1", true), `at ${i}`);
  }
  world.pass(95_000);
  equal(read(world, reader, "route/a.example/i1", true), null);
  const [away] = replicasOf(inOrder(world), "route/a.example");
  write(world, holder, "route/a.example/i1", "again", soft);
  away!.frozenUntil = world.now + 20_000;
  equal(remove(world, holder, "route/a.example/i1", soft).is, "written");
  world.pass(21_000);
  settle(world);
  equal(read(world, reader, "route/a.example/i1", true), null);
  world.pass(230_000);
  equal([...world.nodes[0]!.ring!.heldRecords()].length, 0);
});

Deno.test("mesh: a stale holder's route replaces no newer session's", () => {
  const world = fleet(4);
  settle(world);
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  write(world, world.nodes[0]!, "route/b.example/i1", "new", { ...soft, epoch: 8n });
  world.pass(5000);
  write(world, world.nodes[1]!, "route/b.example/i1", "old", { ...soft, epoch: 7n });
  equal(read(world, world.nodes[2]!, "route/b.example/i1"), "new");
});

Deno.test("mesh: whoever follows a bucket hears of changes in a trip", () => {
  const world = fleet(8);
  settle(world);
  const [writer, gateway] = [world.nodes[1]!, world.nodes[6]!];
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  write(world, writer, "route/c.example/i1", "here", soft);
  world.act(gateway, (ring, now) => ring.subscribe("route/c.example", now));
  world.pass(1000);
  deepEqual(gateway.told.map(({ child }) => child), ["i1"]);
  remove(world, writer, "route/c.example/i1", soft);
  world.pass(100);
  deepEqual(gateway.told.map(({ isTombstone }) => isTombstone), [false, true]);
  world.act(gateway, (ring, now) => ring.unsubscribe("route/c.example", now));
  world.pass(1000);
  write(world, writer, "route/c.example/i2", "there", soft);
  world.pass(40_000);
  equal(gateway.told.length, 2);
});

Deno.test("mesh: a bucket of thousands of records is copied and listed whole", () => {
  const world = fleet(5);
  settle(world);
  const names = Array.from({ length: 1500 }, (_, i) => `r${String(i).padStart(5, "0")}`);
  for (const name of names) {
    const o = { key: `kv/big/${name}`, value: new Uint8Array(9), class: "durable" as const };
    world.ask(world.nodes[0]!, (ring, id, now) => ring.put(id, o, now), () => {});
    world.pass(1);
  }
  world.pass(5000);
  const [owner] = replicasOf(inOrder(world), "kv/big");
  world.crash(owner!);
  owner!.disk.wipe();
  world.pass(5000);
  world.start(owner!);
  settle(world);
  equal(faultOfCopies(world), null);
  deepEqual(list(world, world.nodes[3]!, "kv/big", 400), names);
});

Deno.test("mesh: a link that is broken one way only, for a third of the nodes, heals", () => {
  const world = fleet(9);
  settle(world);
  fill(world, 30);
  const some = [0, 1, 2];
  const others = world.nodes.map(({ index }) => index).filter((index) => !some.includes(index));
  const mend = world.network.part(some, others, false);
  world.pass(30_000);
  mend();
  settle(world);
  mustHave(world, 30);
});

Deno.test("mesh: a node that comes and goes all the time keeps nobody from writing", () => {
  const world = fleet(8);
  settle(world);
  const flapping = world.nodes[5]!;
  const others = world.nodes.filter((node) => node !== flapping);
  let failed = 0;
  for (let i = 0; i < 20; i++) {
    flapping.frozenUntil = world.now + 2500;
    for (let k = 0; k < 10; k++) {
      if (write(world, others[k % 7]!, keyOf(i), `value ${i}`).is !== "written") failed++;
      world.pass(100);
    }
    world.pass(3000);
  }
  equal(failed, 0);
  settle(world);
  mustHave(world, 20);
});

Deno.test("mesh: nodes that were apart from their first second on become one ring", () => {
  const world = new World({ seed: 1 });
  for (let i = 0; i < 5; i++) world.add({ host: `h${i}`, seeds: [0, 1, 2] });
  const ends = world.network.part([1, 4], [0, 2, 3], true);
  for (const node of world.nodes) world.start(node);
  world.pass(12_000);
  ends();
  settle(world, 15_000);
});
