import { equal } from "node:assert/strict";
import type { Answer, Frame, Request } from "../../src/core/mesh/frame.ts";
import { hlcOfMs } from "../../src/core/mesh/hybrid_clock.ts";
import type { MeshRecord } from "../../src/core/mesh/record.ts";
import { fleet, read, settle, write } from "./fleet.ts";
import { replicasOf } from "./record_checks.ts";
import { faultOfRing, inOrder } from "./ring_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

/** A node with a good certificate whose process was taken over: `lie` changes what it sends. */
function takeOver(
  world: World,
  thief: SimulatedNode,
  lie: (frame: Frame, to: SimulatedNode) => Frame | null,
): void {
  world.bend = (from, to, frame) => from === thief ? lie(frame, to) : frame;
}

function fill(world: World, count: number): void {
  for (let i = 0; i < count; i++) {
    equal(write(world, world.nodes[0]!, `kv/h${i}/x`, `v${i}`).is, "written");
  }
}

/** How many of the values are read by nodes other than the thief. */
function readable(world: World, count: number, thief: SimulatedNode): number {
  const others = world.live.filter((node) => node !== thief);
  let good = 0;
  for (let i = 0; i < count; i++) {
    if (read(world, others[i % others.length]!, `kv/h${i}/x`) === `v${i}`) good++;
  }
  return good;
}

Deno.test("mesh: a stolen node that answers nothing is passed by", () => {
  const world = fleet(8, { isChecked: false });
  settle(world);
  fill(world, 40);
  const thief = world.nodes[3]!;
  takeOver(world, thief, (frame) => frame.type === "answer" ? null : frame);
  world.pass(10_000);
  equal(readable(world, 40, thief), 40);
});

Deno.test("mesh: a stolen node that takes every record for its own loses none", () => {
  const world = fleet(8, { isChecked: false });
  settle(world);
  fill(world, 40);
  const thief = world.nodes[3]!;
  takeOver(world, thief, (frame) => {
    if (frame.type !== "answer" || frame.body.to !== "next") return frame;
    const body: Answer["body"] = {
      to: "next",
      isDone: true,
      after: null,
      nodes: [thief.descriptor],
    };
    return { ...frame, body };
  });
  // It can delay and deny, as the specification says: no value is lost, or is another one.
  world.pass(10_000);
  for (let i = 0; i < 40; i++) {
    const replicas = replicasOf(inOrder(world), `kv/h${i}`);
    equal(replicas.filter((node) => node.ring!.held(`kv/h${i}`, "x") !== undefined).length, 3);
  }
});

Deno.test("mesh: descriptors without a signature, and old ones, change nothing", () => {
  const world = fleet(6);
  settle(world);
  const [victim, thief] = [world.nodes[1]!, world.nodes[2]!];
  const forged = { ...world.nodes[4]!.descriptor, position: 5n, incarnation: 9e15 };
  const stab: Request = {
    type: "stab",
    request: 7,
    descriptor: forged,
    preds: [forged],
    predsHash: 3n,
    listHash: 0n,
    gossip: [forged],
  };
  for (let i = 0; i < 20; i++) {
    world.act(victim, (ring, now) => ring.feed(thief.key, stab, now));
    world.act(
      victim,
      (ring, now) => ring.feed(thief.key, { type: "hint", request: 0, node: forged }, now),
    );
  }
  equal(faultOfRing(world), null);
  equal(victim.ring!.descriptorOf(forged.key), world.nodes[4]!.descriptor);
});

Deno.test("mesh: versions from the future are refused, and told", () => {
  const world = fleet(4);
  settle(world);
  const [victim, thief] = [world.nodes[0]!, world.nodes[1]!];
  const record: MeshRecord = {
    bucket: "kv/f",
    child: "x",
    value: new Uint8Array(1),
    version: { epoch: 0n, hlc: hlcOfMs(world.clockOf(victim) + 3600_000), writer: 1n },
    expiry: 0,
    isTombstone: false,
    class: "durable",
  };
  let code = "";
  world.tap = (from, to, frame) => {
    if (from === victim && to === thief && frame.type === "error") code = frame.code;
  };
  world.act(
    victim,
    (ring, now) => ring.feed(thief.key, { type: "put", request: 9, record, isOwner: false }, now),
  );
  world.act(
    victim,
    (ring, now) => ring.feed(thief.key, { type: "push", request: 10, records: [record] }, now),
  );
  equal(code, "skew");
  equal(victim.ring!.held("kv/f", "x"), undefined);
  equal(victim.events.some(({ name }) => name === "skew"), true);
});

Deno.test("mesh: a soft record that never ends is denied", () => {
  const world = fleet(2);
  settle(world);
  const [victim, thief] = [world.nodes[0]!, world.nodes[1]!];
  for (const expiry of [0, world.clockOf(victim) + 2 * 3600_000]) {
    const record: MeshRecord = {
      bucket: "route/a",
      child: "x",
      value: new Uint8Array(1),
      version: { epoch: 0n, hlc: hlcOfMs(world.clockOf(victim)), writer: 1n },
      expiry,
      isTombstone: false,
      class: "soft",
    };
    world.act(
      victim,
      (ring, now) => ring.feed(thief.key, { type: "put", request: 9, record, isOwner: false }, now),
    );
    equal(victim.ring!.held("route/a", "x"), undefined);
  }
});

Deno.test("mesh: `left` of a node is taken from itself alone", () => {
  const world = fleet(5);
  settle(world);
  const [victim, thief, other] = [world.nodes[0]!, world.nodes[1]!, world.nodes[2]!];
  const { incarnation } = other.descriptor;
  world.act(
    victim,
    (ring, now) => ring.feed(thief.key, { type: "left", request: 0, incarnation }, now),
  );
  equal(victim.ring!.neighbours().list.includes(other.key), true);
  equal(victim.ring!.neighbours().list.includes(thief.key), false);
});

Deno.test("mesh: answers that nobody asked for change nothing", () => {
  const world = fleet(4);
  settle(world);
  const [victim, thief] = [world.nodes[0]!, world.nodes[1]!];
  for (let request = 0; request < 500; request++) {
    const answer: Frame = {
      type: "answer",
      request,
      state: "ready",
      stamp: 0,
      body: { to: "next", isDone: true, after: null, nodes: [thief.descriptor] },
    };
    world.act(victim, (ring, now) => ring.feed(thief.key, answer, now));
    world.act(victim, (ring, now) => ring.feed("ff".repeat(32), answer, now));
  }
  world.pass(3000);
  equal(faultOfRing(world), null);
});
