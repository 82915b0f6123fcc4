import { ALL_FAULTS, mustSettle } from "./run.ts";

/** Fleets of 3 to 8 are the usual ones, and the hardest: any fault is one of a large part of them. */
for (let first = 1; first <= 43; first += 14) {
  Deno.test(`mesh: rings of 3 to 8 nodes with faults settle without loss, seeds from ${first}`, () => {
    for (let seed = first; seed < first + 14; seed++) {
      const nodes = 3 + seed % 6;
      mustSettle({ seed, nodes, ms: 60_000, everyMs: 5000, kinds: ALL_FAULTS, perSecond: 5 });
    }
  });
}

Deno.test("mesh: rings of processes on few hosts settle without loss", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const nodes = 4 + seed % 5;
    const kinds = ALL_FAULTS;
    mustSettle({ seed, nodes, perHost: 2, ms: 60_000, everyMs: 5000, kinds, perSecond: 5 });
  }
});
