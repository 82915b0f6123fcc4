import { tryAll } from "../mesh/exhaustive.ts";
import { coldStart, cores, largeRings, lostPairs, usualRings } from "../mesh/long_runs.ts";
import { joinWhileWriting, leaveWhileWriting } from "../mesh/matrix.ts";

Deno.test("mesh: a thousand rings of 3 to 8 nodes, and two hundred of 20, with faults", () => {
  usualRings(1, 1000);
});

Deno.test("mesh: twenty rings of 64 to 128 nodes with faults", () => largeRings(1, 20));

Deno.test("mesh: three hundred cores with faults", () => cores(1, 300));

Deno.test("mesh: a hundred rings in which pairs of neighbours lose their disks", () => {
  lostPairs(1, 100);
});

Deno.test("mesh: a thousand nodes start cold", () => {
  coldStart(1000, 1);
  coldStart(1000, 2);
});

Deno.test("mesh: all orders of moves in rings of two to four", () => {
  console.log(tryAll(2, 4, [50, 1500]), tryAll(3, 3, [50, 1500]), tryAll(4, 3, [700]));
});

Deno.test("mesh: nodes join and leave while keys are written", () => {
  for (const nodes of [64, 128]) {
    for (const keys of [100, 600]) {
      joinWhileWriting(nodes, keys);
      leaveWhileWriting(nodes, keys);
    }
  }
});
