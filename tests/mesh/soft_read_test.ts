import { equal } from "node:assert/strict";
import { fleet, read, settle, write } from "./fleet.ts";
import { inOrder } from "./ring_checks.ts";
import { replicasOf } from "./record_checks.ts";

Deno.test("mesh: a soft read asks nobody where the node has a copy, and others where it has none", () => {
  const world = fleet(6);
  settle(world);
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  equal(write(world, world.nodes[1]!, "route/a.example/i1", "here", soft).is, "written");
  world.pass(1000);
  const gets = new Set<number>();
  world.tap = (from, _, frame) => {
    if (frame.type === "get") gets.add(from.index);
  };
  const replicas = replicasOf(inOrder(world), "route/a.example");
  for (const node of world.live) {
    equal(read(world, node, "route/a.example/i1", true), "here");
    equal(gets.has(node.index), !replicas.includes(node), `node ${node.index}`);
  }
});
