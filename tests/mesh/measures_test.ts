import { equal } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { fleet, read, settle, write } from "./fleet.ts";
import { inOrder } from "./ring_checks.ts";
import { replicasOf } from "./record_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

function lacking(world: World): number {
  return world.live.reduce((sum, { ring }) => sum + ring!.status().underReplicated, 0);
}

Deno.test("mesh: buckets without enough copies are counted until there are enough again", () => {
  const world = fleet(6);
  settle(world);
  for (let i = 0; i < 60; i++) write(world, world.nodes[i % 6]!, `kv/u${i}/x`, "1");
  world.pass(15_000);
  equal(lacking(world), 0);
  world.crash(world.nodes[2]!);
  const noticed = world.passUntil(() => lacking(world) > 0, 5000);
  equal(noticed !== null, true);
  const mended = world.passUntil(() => lacking(world) === 0, 10_000);
  equal(mended !== null, true);
  // Two hosts cannot have three copies.
  for (const node of world.nodes.slice(3)) {
    world.crash(node);
    world.pass(20_000);
  }
  equal(lacking(world), 60);
});

Deno.test("mesh: a read whose replicas disagree is counted, and a lookup's hops", () => {
  const world = fleet(6);
  settle(world);
  write(world, world.nodes[0]!, "kv/d/x", "1");
  const replicas = replicasOf(inOrder(world), "kv/d");
  const [writer, late] = replicas as [SimulatedNode, SimulatedNode];
  const reader = world.live.find((node) => !replicas.includes(node))!;
  // Neither straight nor by way of a neighbour.
  world.bend = (from, to, frame) => {
    const isPut = frame.type === "put" && to === late;
    return from === writer && (isPut || frame.type === "relay") ? null : frame;
  };
  const o = { key: "kv/d/x", value: utf8("2"), class: "durable" as const };
  world.act(writer, (ring, now) => ring.put(1, o, now));
  world.pass(150);
  const before = reader.ring!.status();
  const lookups = before.hops.count;
  read(world, reader, "kv/d/x");
  world.pass(1000);
  const after = reader.ring!.status();
  equal(after.disagreements - before.disagreements, 1);
  equal(after.hops.count > lookups, true);
});

Deno.test("mesh: a node that comes and goes is counted as flapping for a minute", () => {
  const world = fleet(5, { isChecked: false });
  settle(world);
  const node = world.nodes[3]!;
  for (let i = 0; i < 4; i++) {
    node.frozenUntil = world.now + 6000;
    world.pass(10_000);
  }
  const told = () => world.live.filter(({ ring }) => ring!.status().flapping > 0).length;
  equal(told() > 0, true);
  equal(world.live.some(({ ring }) => ring!.status().flaps > 0), true);
  world.pass(70_000);
  equal(told(), 0);
});
