import { equal } from "node:assert/strict";
import { adjacentLosses } from "./adjacent_losses.ts";
import { ALL_FAULTS, mustSettle, run } from "./run.ts";

for (const [seed, nodes] of [[1, 20], [3, 24]] as const) {
  Deno.test(`mesh: a ring of ${nodes} nodes with faults settles without loss, seed ${seed}`, () => {
    mustSettle({ seed, nodes, ms: 240_000, everyMs: 6000, kinds: ALL_FAULTS, perSecond: 5 });
  });
}

for (const seed of [1]) {
  Deno.test(`mesh: pairs of neighbours lose their disks, and no acknowledged write, seed ${seed}`, () => {
    const o = {
      seed,
      nodes: 20,
      ms: 240_000,
      everyMs: 20_000,
      perSecond: 12,
      keys: 3000,
      kinds: [],
    };
    const { failure, client } = run(o, adjacentLosses({ ...o, adjacent: 2 }));
    equal(failure, null);
    equal(client.writeMs.length > 2000, true);
  });
}

Deno.test("mesh: what the test above sees: three neighbours at once lose writes", () => {
  const o = {
    seed: 1,
    nodes: 20,
    ms: 100_000,
    everyMs: 20_000,
    perSecond: 12,
    keys: 3000,
    kinds: [],
  };
  equal(run(o, adjacentLosses({ ...o, adjacent: 3 })).failure === null, false);
});
