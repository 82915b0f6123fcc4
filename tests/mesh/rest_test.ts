import { equal } from "node:assert/strict";
import { fleet, settle, write } from "./fleet.ts";
import { pick, seededRandom } from "./random.ts";

for (const nodes of [10, 40]) {
  Deno.test(`mesh: ${nodes} nodes at rest send little, and find owners in few hops`, () => {
    const world = fleet(nodes, { isChecked: false });
    settle(world, 60_000);
    for (let i = 0; i < 20; i++) write(world, world.nodes[i % nodes]!, `kv/r${i}/x`, "1");
    world.pass(30_000);
    for (const node of world.nodes) node.sent = 0;
    world.pass(30_000);
    const perSecond = world.nodes.reduce((sum, { sent }) => sum + sent, 0) / nodes / 30;
    equal(perSecond <= 9, true, `${perSecond} messages/s`);
    const random = seededRandom(1);
    const hops: number[] = [];
    for (let i = 0; i < 200; i++) {
      const position = BigInt(Math.floor(random() * 2 ** 52)) << 76n;
      world.ask(
        world.nodes[pick(random, nodes)]!,
        (ring, id, now) => ring.lookup(id, position, now),
        (result) => {
          if (result.is === "owner") hops.push(result.hops);
        },
      );
    }
    world.pass(4000);
    equal(hops.length, 200);
    equal(Math.max(...hops) <= Math.log2(nodes), true, `${Math.max(...hops)} hops`);
    const dead = world.nodes.flatMap(({ events }) => events.filter(({ name }) => name === "dead"));
    equal(dead.length, 0, "nobody was called dead");
  });
}

Deno.test("mesh: at a loss of 2 % hardly a peer is called dead", () => {
  const world = fleet(20, { isChecked: false });
  settle(world);
  for (const node of world.nodes) node.events = [];
  world.network.loss = 0.02;
  world.pass(300_000);
  const dead = world.nodes.flatMap(({ events }) => events.filter(({ name }) => name === "dead"));
  const perMinute = dead.length / 20 / 5;
  equal(perMinute <= 0.1, true, `${perMinute} verdicts per node and minute`);
});
