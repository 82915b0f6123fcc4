import { deepEqual, equal } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import type { Result } from "../../src/core/mesh/steps.ts";
import { fleet, read, settle, write } from "./fleet.ts";
import { inOrder } from "./ring_checks.ts";
import { replicasOf } from "./record_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

const KEY = "route/a.example/i1";
const SOFT = { kind: "soft" as const, ttlMs: 90_000 };

function ready(): { world: World; replicas: SimulatedNode[] } {
  const world = fleet(6);
  settle(world);
  equal(write(world, world.nodes[1]!, KEY, "first", SOFT).is, "written");
  world.pass(1000);
  return { world, replicas: replicasOf(inOrder(world), "route/a.example") };
}

/** The value in the copy of the node itself. */
function heldBy(node: SimulatedNode): string {
  return new TextDecoder().decode(node.ring!.held("route/a.example", "i1")?.value);
}

Deno.test("mesh: a soft read waits for nobody where the node has a copy, and for others where not", () => {
  const { world, replicas } = ready();
  for (const node of world.live) {
    let result: Result | null = null;
    world.ask(node, (ring, id, now) => ring.get(id, { key: KEY, isSoft: true }, now), (it) => {
      result = it;
    });
    equal(result !== null, replicas.includes(node), `node ${node.index}`);
    world.pass(500);
    equal((result as Result | null)?.is, "record");
  }
});

Deno.test("mesh: soft reads of one record ask all its replicas, once for many reads", () => {
  const { world, replicas } = ready();
  const [reader, ...others] = replicas as [SimulatedNode, ...SimulatedNode[]];
  const asked: number[] = [];
  world.tap = (from, to, frame) => {
    if (frame.type === "get" && from === reader) asked.push(to.index);
  };
  for (let i = 0; i < 20; i++) equal(read(world, reader, KEY, true), "first");
  world.pass(1000);
  deepEqual(asked.toSorted(), others.map(({ index }) => index).toSorted());
});

/** The value in a list of the bucket. */
function listed(world: World, node: SimulatedNode): string | null {
  let found: string | null = null;
  const o = { bucket: "route/a.example", prefix: "", after: null, limit: 10, isSoft: true };
  world.ask(node, (ring, id, now) => ring.list(id, o, now), (result) => {
    const [record] = result.is === "list" ? result.records : [];
    found = new TextDecoder().decode(record?.value);
  });
  return found;
}

const ways = { read: (world: World, node: SimulatedNode) => read(world, node, KEY, true), listed };
for (const [name, ask] of Object.entries(ways)) {
  Deno.test(`mesh: an old copy that is softly ${name} is mended, and those of others`, () => {
    for (const late of [0, 1, 2]) {
      const { world, replicas } = ready();
      const [node, reader] = [replicas[late]!, replicas[1]!];
      world.bend = (_, to, frame) => frame.type === "put" && to === node ? null : frame;
      const o = { key: KEY, value: utf8("second"), class: "soft" as const, ttlMs: 90_000 };
      const writer = replicas.find((replica) => replica !== node)!;
      world.act(writer, (ring, now) => ring.put(1, o, now));
      world.pass(150);
      world.bend = null;
      equal(heldBy(node), "first");
      equal(ask(world, reader), node === reader ? "first" : "second");
      world.pass(400);
      equal(heldBy(node), "second");
    }
  });
}
