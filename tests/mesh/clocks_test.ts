import { equal } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { hlcOfMs } from "../../src/core/mesh/hybrid_clock.ts";
import type { MeshRecord } from "../../src/core/mesh/record.ts";
import { fleet, read, settle, write } from "./fleet.ts";
import { replicasOf } from "./record_checks.ts";
import { inOrder } from "./ring_checks.ts";
import { type SimulatedNode, World } from "./world.ts";

Deno.test("mesh: a clock an hour off writes nothing durable, and drags nobody along", () => {
  const world = fleet(5);
  settle(world);
  const wrong = world.nodes[2]!;
  for (const offset of [3600_000, -3600_000]) {
    wrong.offset = offset;
    world.pass(30_000);
    const result = write(world, wrong, "kv/clock/x", "wrong");
    equal(result.is === "failed" && result.reason, "skew");
    equal(write(world, world.nodes[1]!, "kv/clock/x", `right ${offset}`).is, "written");
    equal(read(world, world.nodes[0]!, "kv/clock/x"), `right ${offset}`);
    wrong.offset = 0;
    world.pass(10_000);
    settle(world);
  }
  equal(write(world, wrong, "kv/clock/x", "right again").is, "written");
});

Deno.test("mesh: of three nodes, one with a clock an hour off keeps the others from nothing", () => {
  const world = fleet(3);
  settle(world);
  const wrong = world.nodes[2]!;
  for (const offset of [3600_000, -3600_000]) {
    wrong.offset = offset;
    world.pass(30_000);
    const result = write(world, wrong, "kv/clock/x", "wrong");
    equal(result.is === "failed" && result.reason, "skew");
    const told = wrong.events.filter((event) => event.name === "clock");
    equal(Math.sign(told.at(-1)!.offsetMs), -Math.sign(offset));
    const right = write(world, world.nodes[1]!, "kv/clock/x", `right ${offset}`);
    equal(right.is === "written" && right.copies, 3);
    equal(read(world, wrong, "kv/clock/x"), `right ${offset}`);
    // Its clock is known to be wrong: what it has ends with the others', and what it writes too.
    const soft = { kind: "soft" as const, ttlMs: 5000 };
    equal(write(world, world.nodes[0]!, "route/clock/of-others", "1", soft).is, "written");
    equal(write(world, wrong, "route/clock/own", "1", soft).is, "written");
    world.pass(4000);
    for (const node of world.nodes) {
      const held = ["of-others", "own"].map((child) => node.ring!.held("route/clock", child));
      equal(held.every((record) => record !== undefined), true, `node ${node.index}`);
    }
    world.pass(4000);
    for (const node of world.nodes) {
      const held = ["of-others", "own"].map((child) => node.ring!.held("route/clock", child));
      equal(held.every((record) => record === undefined), true, `node ${node.index}`);
    }
    wrong.offset = 0;
    world.pass(10_000);
    settle(world);
    equal(wrong.events.findLast((event) => event.name === "clock")!.offsetMs, 0);
    const others = world.nodes.filter((node) => node !== wrong);
    equal(others.some(({ events }) => events.some(({ name }) => name === "clock")), false);
  }
});

Deno.test("mesh: of two clocks that disagree nobody knows which is right, however many nodes have each", () => {
  const world = new World({ seed: 1 });
  for (const host of ["a", "b", "b", "b"]) world.add({ host, seeds: [0, 1] });
  world.nodes[0]!.offset = -3600_000;
  for (const node of world.nodes) world.start(node);
  settle(world);
  world.pass(10_000);
  const result = write(world, world.nodes[1]!, "kv/clock/x", "1");
  equal(result.is === "failed" && result.reason, "skew");
});

Deno.test("mesh: a node that starts again after it saw stamps that were ahead writes as soon as others may take it", () => {
  for (const behind of [0, 3000, 8000]) {
    const world = fleet(4);
    settle(world);
    const [node, ...others] = world.nodes as [SimulatedNode, ...SimulatedNode[]];
    const record: MeshRecord = {
      bucket: "kv/ahead",
      child: "x",
      value: utf8("ahead"),
      version: { epoch: 0n, hlc: hlcOfMs(world.clockOf(node) + 59_000), writer: 1n },
      expiry: 0,
      isTombstone: false,
      class: "durable",
    };
    const put = { type: "put" as const, request: 9, record, isOwner: false };
    world.act(node, (ring, now) => ring.feed(others[0]!.key, put, now));
    world.pass(5000);
    equal(write(world, node, "kv/ahead/y", "before").is, "written");
    world.crash(node);
    for (const other of others) other.offset = -behind;
    world.start(node);
    world.pass(1000);
    const began = world.now;
    equal(write(world, node, "kv/ahead/x", "after").is, "written", `${behind} ms behind`);
    equal(world.now - began < behind + 1500, true, `${world.now - began} ms`);
    settle(world);
    equal(read(world, others[1]!, "kv/ahead/x"), "after");
  }
});

Deno.test("mesh: a record from too far ahead is not given up before its replicas take it", () => {
  const world = fleet(6);
  settle(world);
  const replicas = replicasOf(inOrder(world), "kv/far");
  const holder = world.live.find((node) => !replicas.includes(node))!;
  holder.offset = 9000;
  const record: MeshRecord = {
    bucket: "kv/far",
    child: "x",
    value: utf8("kept"),
    version: { epoch: 0n, hlc: hlcOfMs(world.clockOf(holder) + 59_000), writer: 1n },
    expiry: 0,
    isTombstone: false,
    class: "durable",
  };
  const put = { type: "put" as const, request: 9, record, isOwner: false };
  world.act(holder, (ring, now) => ring.feed(replicas[0]!.key, put, now));
  // The world throws where it is deleted while others lack it.
  world.pass(5000);
  equal(holder.ring!.held("kv/far", "x"), record);
  world.pass(25_000);
  equal(replicas.every((node) => node.ring!.held("kv/far", "x") !== undefined), true);
  equal(holder.ring!.held("kv/far", "x"), undefined);
});
