import assert from "node:assert/strict";
import { type ModelRun, runModel } from "../fake/mux_model.ts";

/** Adds up the schedules of `seeds` seeds, and prints what they did. */
function runAll(first: number, seeds: number, steps: number): void {
  const began = performance.now();
  const sum = { moved: 0, carriers: 0, callbacks: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const run: ModelRun = runModel(seed, steps);
    sum.moved += run.moved;
    sum.carriers += run.carriers;
    sum.callbacks += run.callbacks;
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(
    `${seeds} schedules of ${steps} steps in ${seconds} s: ${sum.carriers} carriers, ` +
      `${sum.moved} bytes, ${sum.callbacks} callbacks`,
  );
  assert(sum.moved > seeds * steps * 10 && sum.callbacks > seeds);
}

Deno.test("streams over sessions: 6000 random schedules against the reference", () => {
  runAll(1, 6000, 2500);
});

Deno.test("streams over sessions: 50 random schedules of 100 000 steps against the reference", () => {
  runAll(10_001, 50, 100_000);
});
