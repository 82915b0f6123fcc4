import { deepEqual, equal } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import type { Step } from "../../src/core/mesh/steps.ts";
import { fleet, settle, write } from "./fleet.ts";
import type { World } from "./world.ts";

type Sent = Extract<Step, { type: "send" }>;

/** The puts that a node of three sends for a record, and whether they may wait. */
function putsOf(
  world: World,
  kind: "soft" | "durable",
  node = world.nodes[0],
): { to: string; isPatient: boolean }[] {
  write(world, node!, "kv/a/b", "first"); // stamps are reserved with the first one
  const sent: Sent[] = [];
  world.act(node!, (ring, now) => {
    const o = { key: "node/a/b", value: utf8("value"), class: kind, ttlMs: 90_000 };
    const steps = ring.put(1_000_000, o, now);
    sent.push(...steps.filter((step): step is Sent => step.type === "send"));
    return steps;
  });
  world.pass(1000);
  return sent.filter(({ frame }) => frame.type === "put")
    .map(({ to, isPatient = false }) => ({ to, isPatient }));
}

Deno.test("mesh: a soft write goes to all replicas, and waits for the nearest with the own copy", () => {
  const world = fleet(3);
  settle(world);
  const puts = putsOf(world, "soft");
  equal(puts.length, 2);
  deepEqual(puts.map(({ isPatient }) => isPatient).toSorted(), [false, true]);
  const { ring } = world.nodes[0]!;
  const peers = ring!.status().peers;
  const far = ({ to }: { to: string }) => peers.find(({ key }) => key === to)!.rttMs;
  const [waited] = puts.filter(({ isPatient }) => !isPatient);
  const [other] = puts.filter(({ isPatient }) => isPatient);
  equal(Math.floor(far(waited!)) <= Math.floor(far(other!)), true);
});

Deno.test("mesh: no copy of a durable write waits", () => {
  const world = fleet(3);
  settle(world);
  deepEqual(putsOf(world, "durable").map(({ isPatient }) => isPatient), [false, false]);
});

Deno.test("mesh: of nodes that are as near a soft write waits for the next one, another for each node", () => {
  const world = fleet(3);
  const { network } = world;
  network.shortest = network.longest = network.jitter = 0;
  settle(world);
  const waited = world.nodes.map((node) => {
    const [put] = putsOf(world, "soft", node).filter(({ isPatient }) => !isPatient);
    equal(put!.to, node.ring!.neighbours().list[0]);
    return put!.to;
  });
  equal(new Set(waited).size, 3);
});
