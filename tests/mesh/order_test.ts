import { equal } from "node:assert/strict";
import { fleet, read, settle, write } from "./fleet.ts";
import { pick } from "./random.ts";
import { replicasOf } from "./record_checks.ts";
import { inOrder } from "./ring_checks.ts";
import { mustSettle } from "./run.ts";
import type { SimulatedNode, World } from "./world.ts";

/** Two writes, one after the other's acknowledgement: the later one must be read everywhere. */
function mustReplace(world: World, first: SimulatedNode, second: SimulatedNode, key: string): void {
  for (const kind of ["durable", "soft"] as const) {
    const o = { kind, ttlMs: kind === "soft" ? 90_000 : 0 };
    const name = kind === "soft" ? `route/${key}` : `kv/${key}`;
    equal(write(world, first, name, "earlier", o).is, "written");
    equal(write(world, second, name, "later", o).is, "written");
    world.pass(1000);
    for (const node of world.live) {
      equal(read(world, node, name, kind === "soft"), "later", `${name} at ${node.index}`);
    }
  }
}

Deno.test("mesh: a write replaces one that was acknowledged before, by a node that has just started again", () => {
  const world = fleet(9);
  settle(world);
  const [node, other] = [world.nodes[0]!, world.nodes[1]!];
  equal(write(world, node, "kv/before/x", "1").is, "written");
  world.crash(node);
  world.pass(500);
  world.start(node);
  settle(world);
  // The other has seen none of its stamps.
  const names = Array.from({ length: 50 }, (_, i) => `restarted${i}`);
  const isElsewhere = (name: string) => !replicasOf(inOrder(world), `kv/${name}`).includes(other);
  mustReplace(world, node, other, `${names.find(isElsewhere)!}/x`);
  equal(write(world, other, "kv/before/x", "2").is, "written");
  equal(read(world, node, "kv/before/x"), "2");
});

Deno.test("mesh: a write replaces one that was acknowledged before, by a node whose clock is ahead", () => {
  const world = fleet(5);
  settle(world);
  const [node, other] = [world.nodes[0]!, world.nodes[1]!];
  node.offset = 8000;
  other.offset = -1000;
  world.pass(2000);
  for (let i = 0; i < 5; i++) mustReplace(world, node, other, `ahead${i}/x`);
});

for (const seed of [1, 3, 5]) {
  Deno.test(`mesh: a host that comes back from a partition misleads no reader elsewhere, seed ${seed}`, () => {
    const world = fleet(8, { seed, perHost: 2 });
    world.network.shortest = 0.2;
    world.network.longest = 1;
    settle(world);
    const lost = world.nodes.slice(2, 4).map(({ index }) => index);
    const others = world.nodes.filter(({ index }) => !lost.includes(index));
    const heal = world.network.part(lost, others.map(({ index }) => index), true);
    world.pass(5000);
    for (let i = 0; i < 200; i++) {
      equal(write(world, others[i % 6]!, `kv/p${i % 40}/c${i}`, `${i}`).is, "written");
    }
    world.pass(15_000);
    heal();
    for (let i = 0; i < 1500; i++) {
      const key = pick(world.random, 200);
      const value = read(world, others[i % 6]!, `kv/p${key % 40}/c${key}`);
      equal(value, `${key}`, `read ${i} of key ${key} at ${world.now}`);
    }
    settle(world);
  });
}

Deno.test("mesh: with clocks that are up to 20 s apart no write is behind one that was acknowledged before", () => {
  const kinds = ["clock", "clock", "loss", "doubling", "reordering"] as const;
  for (let seed = 1; seed <= 6; seed++) {
    const o = { seed, nodes: 3 + seed, ms: 60_000, everyMs: 4000, perSecond: 10, keys: 30 };
    const { client } = mustSettle({ ...o, kinds });
    equal(client.inversions, 0, `seed ${seed}`);
  }
});
