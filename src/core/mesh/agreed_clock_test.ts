import { deepEqual } from "node:assert/strict";
import { agreeOnClock } from "./agreed_clock.ts";

const HOUR = 3600_000;
const peers = (...offsets: number[]) => offsets.map((offset, i) => ({ host: `h${i}`, offset }));

Deno.test("agreed clock: the own one, unless most hosts have another one", () => {
  deepEqual(agreeOnClock("own", []), { offset: 0, lag: 0 });
  deepEqual(agreeOnClock("own", peers(9000, 9500)), { offset: 0, lag: 0 });
  deepEqual(agreeOnClock("own", peers(HOUR, HOUR + 20)), { offset: HOUR, lag: 0 });
  deepEqual(agreeOnClock("own", peers(-HOUR, 5, HOUR)), { offset: 0, lag: 0 });
  // Three clocks of which no two agree.
  deepEqual(agreeOnClock("own", peers(HOUR, 2 * HOUR)), { offset: 0, lag: 0 });
});

Deno.test("agreed clock: a host has one clock, however many nodes are on it", () => {
  const host = Array.from({ length: 5 }, () => ({ host: "other", offset: HOUR }));
  deepEqual(agreeOnClock("own", host), { offset: 0, lag: 0 });
  deepEqual(agreeOnClock("other", host), { offset: 0, lag: 0 });
});

Deno.test("agreed clock: the slowest that counts as right is told, not one that is wrong", () => {
  deepEqual(agreeOnClock("own", peers(-3000, -HOUR, 200)), { offset: 0, lag: 3000 });
  deepEqual(agreeOnClock("own", peers(HOUR, HOUR - 400, HOUR + 10)), { offset: HOUR, lag: 400 });
});
