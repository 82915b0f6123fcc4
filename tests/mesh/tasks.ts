/** Long tests of the ring by name: extended, long and concurrency (deno.json has the tasks). */

import { joinWhileWriting, leaveWhileWriting } from "./matrix.ts";
import { coldStart, cores, largeRings, lostPairs, usualRings } from "./long_runs.ts";

const REPEATS = 5;

function extended(): void {
  for (let round = 0; round < REPEATS; round++) {
    timed(`usual rings, round ${round + 1}`, () => usualRings(1000 * round + 1, 200));
    timed(`large rings, round ${round + 1}`, () => largeRings(1000 * round + 1, 2));
    timed(`cores, round ${round + 1}`, () => cores(1000 * round + 1, 100));
    timed(`lost pairs, round ${round + 1}`, () => lostPairs(1000 * round + 1, 5));
  }
}

function long(): void {
  timed("128 nodes from a cold start", () => coldStart(128, 1));
  timed("1000 nodes from a cold start", () => coldStart(1000, 1));
}

function concurrency(): void {
  for (const nodes of [64, 128]) {
    for (const keys of [100, 200, 300, 600]) {
      timed(`${nodes} nodes join, ${keys} keys`, () => joinWhileWriting(nodes, keys));
      timed(`${nodes} nodes leave, ${keys} keys`, () => leaveWhileWriting(nodes, keys));
    }
  }
}

function timed(name: string, run: () => void): void {
  const began = performance.now();
  run();
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

const TASKS: Record<string, () => void> = { extended, long, concurrency };
const task = TASKS[Deno.args[0] ?? ""];
if (task === undefined) {
  console.error(`Usage: tasks.ts ${Object.keys(TASKS).join("|")}`);
  Deno.exit(2);
}
task();
