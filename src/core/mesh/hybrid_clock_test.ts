import { deepEqual, equal } from "node:assert/strict";
import { hlcOfMs, HybridClock, MAX_AHEAD_MS, msOfHlc } from "./hybrid_clock.ts";

function ready(nowMs: number): HybridClock {
  const clock = new HybridClock(0n);
  clock.reserved(clock.wanted(nowMs)!);
  return clock;
}

Deno.test("hybrid clock: stamps grow, also while the own clock stands or goes back", () => {
  const clock = ready(1000);
  const stamps = [1000, 1000, 900, 1001].map((ms) => clock.next(ms)!);
  deepEqual(stamps, [hlcOfMs(1000), hlcOfMs(1000) + 1n, hlcOfMs(1000) + 2n, hlcOfMs(1001)]);
  equal(msOfHlc(stamps[2]!), 1000);
});

Deno.test("hybrid clock: stamps of others are followed up to a minute ahead", () => {
  const clock = ready(1000);
  equal(clock.observe(hlcOfMs(1000 + MAX_AHEAD_MS) + 1n, 1000), false);
  equal(clock.next(1000), hlcOfMs(1000));
  equal(clock.observe(hlcOfMs(5000), 1000), true);
  equal(clock.next(1000), hlcOfMs(5000) + 1n);
});

Deno.test("hybrid clock: nothing is given that is not reserved, so that a restart repeats nothing", () => {
  const clock = new HybridClock(0n);
  equal(clock.next(1000), null);
  const reserved = clock.wanted(1000)!;
  equal(clock.wanted(1000), null);
  clock.refused();
  equal(clock.wanted(1000), reserved);
  clock.reserved(reserved);
  const given: bigint[] = [];
  for (let stamp = clock.next(msOfHlc(reserved) - 1); stamp !== null && given.length < 9;) {
    given.push(stamp);
    stamp = clock.next(0);
  }
  equal(clock.next(msOfHlc(reserved)), null);
  const restarted = new HybridClock(reserved);
  restarted.reserved(restarted.wanted(2000)!);
  equal(given.every((stamp) => stamp < restarted.next(2000)!), true);
});

Deno.test("hybrid clock: a minute is reserved, and nothing that others would take for a wrong clock", () => {
  const clock = new HybridClock(0n);
  equal(clock.wanted(1000), hlcOfMs(61_000));
  clock.reserved(hlcOfMs(61_000));
  equal(clock.observe(hlcOfMs(60_500), 1000), true);
  equal(clock.wanted(1050), null);
  equal(clock.wanted(1200), hlcOfMs(61_200));
});

Deno.test("hybrid clock: after a restart a stamp waits until it is a minute ahead for the slowest clock", () => {
  const clock = new HybridClock(hlcOfMs(61_000));
  clock.reserved(clock.wanted(2000)!);
  equal(clock.holdMs(2000, 3000), 2000);
  equal(clock.next(2000, 3000), null);
  equal(clock.next(4001, 3000), hlcOfMs(61_000) + 1n);
});

Deno.test("hybrid clock: what is given back begins the next run, and ends this one", () => {
  const clock = ready(1000);
  const stamp = clock.next(1000)!;
  equal(clock.release(), stamp);
  equal(clock.next(1001), null);
  const next = new HybridClock(stamp);
  next.reserved(next.wanted(1000)!);
  equal(next.next(1000), stamp + 1n);
});
