import { equal } from "node:assert/strict";
import type { Result } from "../../src/core/mesh/steps.ts";
import { fleet, remove, settle, write } from "./fleet.ts";
import { World } from "./world.ts";

const BIG = "x".repeat(60_000);

function isLimit(result: Result): boolean {
  return result.is === "failed" && result.reason === "limit";
}

Deno.test("mesh: limits of buckets are told, and count for each writer", () => {
  const world = fleet(3);
  settle(world);
  const [node, other] = [world.nodes[0]!, world.nodes[1]!];
  const results = Array.from({ length: 20 }, (_, i) => write(world, node, `kv/l/r${i}`, BIG));
  equal(results.filter(({ is }) => is === "written").length, 17);
  equal(isLimit(results.at(-1)!), true);
  const long = write(world, node, "kv/l/long", "x".repeat(65_537));
  equal(long.is === "failed" && long.outcome, "none");
  // Another node's programs are not in the way of that one's.
  equal(write(world, other, "kv/l/others", BIG).is, "written");
  equal(isLimit(write(world, node, "kv/l/one-more", BIG)), true);
  equal(write(world, node, "kv/l/r3", BIG).is, "written");
  equal(remove(world, node, "kv/l/r4").is, "written");
  equal(write(world, node, "kv/l/one-more", BIG).is, "written");
});

Deno.test("mesh: a node holds as much as it has room for, whoever writes, and twice that of what is handed over", () => {
  const maxBytes = 600_000;
  const world = new World({ seed: 2, maxBytes });
  for (let i = 0; i < 8; i++) world.add({ seeds: [0, 1, 2] });
  for (const node of world.nodes.slice(0, 3)) world.start(node);
  settle(world);
  const bytes = () => world.live.map((node) => node.ring!.status().bytes);
  for (const [at, node] of world.live.entries()) {
    for (let i = 0; i < 9; i++) write(world, node, `kv/${at}n${i}/x`, BIG);
  }
  equal(bytes().every((held) => held > maxBytes / 2 && held <= maxBytes), true);
  // Three of them cannot hold all that eight have taken.
  for (const node of world.nodes.slice(3)) world.start(node);
  settle(world);
  for (const [at, node] of world.live.entries()) {
    for (let i = 0; i < 40; i++) write(world, node, `kv/${at}m${i}/x`, BIG);
  }
  for (const node of world.nodes.slice(3)) {
    world.crash(node);
    world.pass(10_000);
  }
  equal(bytes().every((held) => held > maxBytes && held <= 2 * maxBytes), true);
});

Deno.test("mesh: a node that is full takes records of those who have less than an even share of it", () => {
  const world = new World({ seed: 1, maxBytes: 600_000 });
  for (let i = 0; i < 3; i++) world.add({ seeds: [0, 1, 2] });
  for (const node of world.nodes) world.start(node);
  settle(world);
  const [node, other] = [world.nodes[0]!, world.nodes[1]!];
  const fill = (who: typeof node, name: string) => {
    for (let i = 0;; i++) if (write(world, who, `kv/${name}${i}/x`, BIG).is !== "written") return i;
  };
  equal(fill(node, "a"), 7);
  equal(fill(other, "b"), 2);
  equal(isLimit(write(world, node, "kv/a/x", BIG)), true);
  equal(isLimit(write(world, other, "kv/b/x", BIG)), true);
});
