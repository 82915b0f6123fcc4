import { equal } from "node:assert/strict";
import { adjacentLosses } from "./adjacent_losses.ts";
import { mustHoldCore } from "./core_run.ts";
import { faultOfRing } from "./ring_checks.ts";
import { ALL_FAULTS, mustSettle, run } from "./run.ts";
import { World } from "./world.ts";

/** Rings of the usual sizes with faults: `count` of 3 to 8 nodes, 60 s each, and a fifth as many of 20. */
export function usualRings(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) {
    const nodes = 3 + seed % 6;
    const perHost = seed % 5 === 0 ? 2 : 1;
    const kinds = ALL_FAULTS;
    mustSettle({ seed, nodes, perHost, ms: 60_000, everyMs: 5000, kinds, perSecond: 5 });
    if (seed % 5 !== 0) continue;
    mustSettle({ seed, nodes: 20, ms: 240_000, everyMs: 6000, kinds, perSecond: 5, keys: 500 });
  }
}

/** Cores with faults, a third of which move meanwhile. */
export function cores(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) mustHoldCore(seed);
}

/** Larger rings with faults. */
export function largeRings(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) {
    const nodes = 64 + seed * 13 % 65;
    mustSettle({ seed, nodes, ms: 120_000, everyMs: 3000, kinds: ALL_FAULTS, perSecond: 10 });
  }
}

/** Pairs of neighbours that lose their disks, every 20 s. */
export function lostPairs(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) {
    const o = {
      seed,
      nodes: 20,
      ms: 240_000,
      everyMs: 20_000,
      perSecond: 12,
      keys: 3000,
      kinds: [],
    };
    equal(run(o, adjacentLosses({ ...o, adjacent: 2 })).failure, null, `seed ${seed}`);
  }
}

/** A fleet that starts cold; a tenth of it crashes at once, and comes back. */
export function coldStart(nodes: number, seed: number): void {
  const world = new World({ seed });
  for (let i = 0; i < nodes; i++) world.add({ seeds: [0, 1, 2] });
  for (const node of world.nodes) world.at(10_000 * world.random(), () => world.start(node));
  world.pass(10_000);
  const mustBeRight = (most: number) => {
    if (world.passUntil(() => faultOfRing(world) === null, most, 1000) === null) {
      throw new Error(`${nodes} nodes: ${faultOfRing(world)}`);
    }
  };
  mustBeRight(60_000);
  const tenth = world.nodes.filter(({ index }) => index % 10 === 7);
  for (const node of tenth) world.crash(node);
  world.pass(5000);
  mustBeRight(60_000);
  for (const node of tenth) world.start(node);
  mustBeRight(60_000);
}
