/**
 * Measures the ring in the simulator: hops, messages at rest, repair, writes, joins (docs/mesh.md has
 * the figures). Without arguments all tables are printed; numbers of nodes choose some.
 */

import { utf8 } from "../../src/base/bytes.ts";
import { encodeDescriptor } from "../../src/core/mesh/descriptor.ts";
import type { Frame } from "../../src/core/mesh/frame.ts";
import { sizeOf as sizeOfRecord } from "../../src/core/mesh/record.ts";
import { pick, seededRandom } from "../mesh/random.ts";
import { faultOfCopies } from "../mesh/record_checks.ts";
import { faultOfCycle, faultOfRing } from "../mesh/ring_checks.ts";
import { type SimulatedNode, World } from "../mesh/world.ts";

/** About the bytes of a frame on the wire, with the record and stream headers of a link. */
function sizeOf(frame: Frame): number {
  let size = 40;
  const visit = (value: unknown): void => {
    if (typeof value === "bigint") size += 18;
    else if (typeof value === "number") size += 4;
    else if (typeof value === "string") size += 2 + value.length;
    else if (Array.isArray(value)) value.forEach(visit);
    else if (value !== null && typeof value === "object") {
      if ("signature" in value) size += 2 + encodeDescriptor(value as never).length;
      else if ("isTombstone" in value) size += 24 + sizeOfRecord(value as never);
      else Object.values(value).forEach(visit);
    }
  };
  visit(frame);
  return size;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN);
}

/** Makes a ring of nodes that start within 10 s, and waits until it is right and quiet. */
function settled(nodes: number, seed: number): World {
  const world = new World({ seed, sizeOf });
  for (let i = 0; i < nodes; i++) world.add({ seeds: [0, 1, 2].filter((seed) => seed < nodes) });
  for (const node of world.nodes) world.at(10_000 * world.random(), () => world.start(node));
  const ms = world.passUntil(
    () => world.live.length === nodes && faultOfRing(world) === null,
    300_000,
  );
  if (ms === null) throw new Error(`No ring of ${nodes}: ${faultOfRing(world)}`);
  world.pass(60_000);
  return world;
}

function restAndHops(nodes: number): void {
  const world = settled(nodes, 1);
  for (const node of world.nodes) [node.sent, node.sentBytes] = [0, 0];
  const ms = 60_000;
  world.pass(ms);
  const total = (of: (node: SimulatedNode) => number) =>
    world.nodes.reduce((sum, node) => sum + of(node), 0) / nodes / (ms / 1000);
  const messages = total((node) => node.sent).toFixed(1);
  const bytes = (total((node) => node.sentBytes) / 1000).toFixed(1);
  const hops: number[] = [];
  const random = seededRandom(5);
  for (let i = 0; i < 1000; i++) {
    const position = BigInt(Math.floor(random() * 2 ** 52)) << 76n;
    world.ask(
      world.nodes[pick(random, nodes)]!,
      (ring, id, now) => ring.lookup(id, position, now),
      (
        result,
      ) => {
        if (result.is === "owner") hops.push(result.hops);
      },
    );
    world.pass(20);
  }
  world.pass(3000);
  const mean = hops.reduce((sum, n) => sum + n, 0) / hops.length;
  const hop = `${mean.toFixed(1)}/${Math.max(...hops)}`;
  console.log(`| ${nodes} | ${hop} | ${messages} | ${bytes} kB/s |`);
}

/** Writes durable records everywhere and waits for all of them. */
function fill(world: World, keys: number): { put: number[]; get: number[]; failed: number } {
  const random = seededRandom(9);
  const [put, get]: [number[], number[]] = [[], []];
  let failed = 0;
  const timed = (into: number[], good: string) => {
    const began = world.now;
    return (result: { is: string }) => {
      if (result.is === good) into.push(world.now - began);
      else failed++;
    };
  };
  for (let i = 0; i < keys; i++) {
    const live = world.live;
    const key = `kv/b${i}/x`;
    const o = { key, value: utf8("x".repeat(100)), class: "durable" as const };
    world.ask(
      live[pick(random, live.length)]!,
      (ring, id, now) => ring.put(id, o, now),
      timed(put, "written"),
    );
    world.pass(20);
  }
  world.pass(3000);
  for (let i = 0; i < keys; i++) {
    const live = world.live;
    const o = { key: `kv/b${i}/x`, isSoft: false };
    world.ask(
      live[pick(random, live.length)]!,
      (ring, id, now) => ring.get(id, o, now),
      timed(get, "record"),
    );
    world.pass(20);
  }
  world.pass(3000);
  return { put, get, failed };
}

function crashes(nodes: number, count: number, seeds: number): void {
  const [right, lists, copies]: number[][] = [[], [], []];
  for (let seed = 1; seed <= seeds; seed++) {
    const world = settled(nodes, seed);
    fill(world, 300);
    world.passUntil(() => faultOfCopies(world) === null, 60_000);
    const random = seededRandom(seed);
    // Three of one record's hosts at once would lose it, which is measured elsewhere.
    const order = world.live.sort((a, b) => a.descriptor.position < b.descriptor.position ? -1 : 1);
    const chosen = new Set<number>();
    while (chosen.size < count) {
      const at = pick(random, nodes);
      const near = [1, 2].filter((by) =>
        chosen.has((at + by) % nodes) || chosen.has((at - by + nodes) % nodes)
      );
      if (near.length < 2) chosen.add(at);
    }
    for (const at of chosen) world.crash(order[at]!);
    const began = world.now;
    const until = (isSo: () => boolean) => world.passUntil(isSo, 120_000) ?? NaN;
    until(() => faultOfCycle(world) === null);
    right!.push(world.now - began);
    until(() => faultOfCopies(world) === null);
    copies!.push(world.now - began);
    until(() => faultOfRing(world) === null);
    lists!.push(world.now - began);
  }
  const show = (values: number[]) =>
    `${(percentile(values, 0.5) / 1000).toFixed(1)} (worst ${
      (Math.max(...values) / 1000).toFixed(1)
    }) s`;
  console.log(`| ${count} of ${nodes} | ${show(right!)} | ${show(lists!)} | ${show(copies!)} |`);
}

function writes(nodes: number): void {
  const world = settled(nodes, 1);
  const { put, get, failed } = fill(world, 2000);
  const show = (values: number[]) =>
    `${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)}`;
  console.log(`| ${nodes} | ${show(put)} | ${show(get)} | ${failed} |`);
}

function joins(count: number): void {
  const times: number[] = [];
  for (let seed = 1; seed <= 3; seed++) {
    const world = settled(3, seed);
    for (let i = 0; i < count; i++) world.start(world.add({ seeds: [0, 1, 2] }));
    times.push((world.passUntil(() => faultOfCycle(world) === null, 300_000) ?? NaN) / 1000);
  }
  console.log(`| ${count} | ${times.map((s) => s.toFixed(1)).join(", ")} s |`);
}

const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : [10, 100, 1000];
console.log("| nodes | hops mean/max | messages/s | bytes sent |\n| --- | --- | --- | --- |");
for (const nodes of sizes) restAndHops(nodes);
console.log("\n| nodes | durable put | get | failed |\n| --- | --- | --- | --- |");
for (const nodes of sizes) if (nodes <= 100) writes(nodes);
console.log(
  "\n| crash of | one cycle again | all lists right | all copies again |\n| --- | --- | --- | --- |",
);
crashes(10, 1, 10);
crashes(100, 2, 4);
crashes(100, 30, 4);
console.log("\n| join at once | one cycle |\n| --- | --- |");
joins(128);
