import assert from "node:assert/strict";
import { planCongestion } from "./congestion.ts";

/** Wanted, the system's own, those that the kernel gives: far, near and the words of the log. */
const PLANS: [string, string, string[], [string | null, string | null] | undefined, string][] = [
  ["auto", "cubic", ["reno", "cubic", "bbr"], ["bbr", null], "bbr, under 1 ms cubic"],
  ["auto", "reno", ["reno", "bbr"], ["bbr", null], "bbr, under 1 ms reno"],
  ["auto", "bbr", ["reno", "cubic", "bbr"], [null, "cubic"], "bbr, under 1 ms cubic"],
  ["auto", "bbr", ["reno", "bbr"], [null, "reno"], "bbr, under 1 ms reno"],
  ["auto", "bbr3", ["reno", "bbr", "bbr3"], [null, "reno"], "bbr3, under 1 ms reno"],
  ["auto", "cubic", ["reno", "cubic"], undefined, "cubic"],
  ["auto", "bbr", ["bbr"], undefined, "bbr"],
  ["system", "cubic", ["reno", "cubic", "bbr"], undefined, "cubic"],
  ["reno", "bbr", ["reno", "bbr"], ["reno", "reno"], "reno"],
  ["bbr", "bbr", ["reno", "bbr"], ["bbr", "bbr"], "bbr"],
];

Deno.test("auto is bbr where the kernel gives it, without pacing where the round trip is short", () => {
  for (const [wanted, system, given, names, text] of PLANS) {
    const choice = names && { far: names[0], near: names[1], nearMs: 1 };
    const plan = planCongestion(wanted, system, (name) => given.includes(name));
    assert.deepEqual(plan, { choice, text }, `${wanted} on ${system} of ${given}`);
  }
});

Deno.test("one that the kernel does not give cannot be planned with", () => {
  assert.equal(planCongestion("vegas", "cubic", (name) => name === "cubic"), null);
});
