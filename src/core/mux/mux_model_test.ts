import assert from "node:assert/strict";
import { runModel } from "../../../tests/fake/mux_model.ts";

const SEEDS = 60;
const STEPS = 2500;

Deno.test(`${SEEDS} random schedules of ${STEPS} steps: no byte is lost, repeated or reordered`, () => {
  const sum = { moved: 0, carriers: 0, callbacks: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { moved, carriers, callbacks } = runModel(seed, STEPS);
    sum.moved += moved;
    sum.carriers += carriers;
    sum.callbacks += callbacks;
  }
  assert(sum.moved > SEEDS * 50_000, JSON.stringify(sum));
  assert(sum.carriers > SEEDS * 10 && sum.callbacks > SEEDS * 5, JSON.stringify(sum));
});
