import { ALL_FAULTS, mustSettle } from "./run.ts";

for (const [seed, nodes] of [[1, 20], [2, 20], [3, 32]] as const) {
  Deno.test(`mesh: a ring of ${nodes} nodes with faults settles without loss, seed ${seed}`, () => {
    mustSettle({ seed, nodes, ms: 240_000, everyMs: 6000, kinds: ALL_FAULTS, perSecond: 5 });
  });
}
