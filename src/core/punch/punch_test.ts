import assert from "node:assert/strict";
import fc from "fast-check";
import { isTlsClient, Punch, punchFailureWords, type PunchStep } from "./punch.ts";

const PEER = { host: "203.0.113.7", port: 7000 };

function begin(deadlineMs = 30_000) {
  const punch = new Punch({ peer: PEER, deadlineMs, chance: () => 0.5 });
  assert.deepEqual(punch.begin(0), [{ kind: "connect" }]);
  return punch;
}

Deno.test("a refused connect is repeated soon, an unanswered one at once, and later with rests", () => {
  const punch = begin();
  assert.equal(punch.dueAt, 30_000);
  punch.connectFailed("refused", 100);
  assert.equal(punch.dueAt, 170);
  assert.deepEqual(punch.tick(169), []);
  assert.deepEqual(punch.tick(170), [{ kind: "connect" }]);
  punch.connectFailed("unanswered", 3170);
  assert.deepEqual(punch.tick(3170), [{ kind: "connect" }]);
  let now = 3200;
  for (let i = 0; i < 19; i++) {
    punch.connectFailed("refused", now);
    now = punch.dueAt;
    punch.tick(now);
  }
  punch.connectFailed("refused", now);
  assert.equal(punch.dueAt, now + 600);
  assert.equal(punch.attempts, 22);
});

Deno.test("the first connection counts, of either kind, and only the peer's", () => {
  const won: PunchStep[] = [{ kind: "won" }];
  const drop: PunchStep[] = [{ kind: "drop" }];
  const first = begin();
  for (let i = 0; i < 100; i++) {
    assert.deepEqual(first.accepted({ host: "198.51.100.1", port: 7000 }), drop);
  }
  assert.deepEqual(first.accepted({ ...PEER, port: 7001 }), drop);
  assert.deepEqual(first.accepted(PEER), won);
  assert.deepEqual(first.accepted(PEER), drop);
  assert.equal(first.dueAt, Infinity);
  assert.deepEqual(first.tick(1e9), []);
  assert.deepEqual(begin().connected(), won);
});

Deno.test("at the deadline it says what it has seen, and what would help", () => {
  const words = (prepare: (punch: Punch) => void) => {
    const punch = begin(10_000);
    prepare(punch);
    const [step] = punch.tick(10_000);
    assert(step?.kind === "failed");
    return punchFailureWords({ peer: PEER, deadlineMs: 10_000 }, step.why);
  };
  assert.match(words(() => {}), /within 10 s: nothing has come from it/);
  assert.match(words((punch) => punch.connectFailed("refused", 1)), /its port 7000 refuses/);
  assert.match(
    words((punch) => punch.connectFailed("unsent", 1)),
    /this machine has no route to it, or keeps the port/,
  );
  assert.match(
    words((punch) => void punch.accepted({ ...PEER, port: 61_000 })),
    /comes from port 61000 instead of 7000, so its NAT changes ports/,
  );
});

Deno.test("two ends over a network that loses, delays and refuses meet as soon as it lets them", () => {
  const settings = fc.record({
    startB: fc.integer({ min: 0, max: 10_000 }),
    /** A NAT lets a SYN in when its own end has sent one that lives still. */
    holeMs: fc.integer({ min: 4000, max: 60_000 }),
    delay: fc.integer({ min: 1, max: 300 }),
    rejects: fc.boolean(),
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
  });
  fc.assert(
    fc.property(settings, ({ startB, holeMs, delay, rejects, seed }) => {
      let state = seed;
      const chance = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      const ends = [0, startB].map((startAt) => ({
        startAt,
        punch: new Punch({ peer: PEER, deadlineMs: 40_000, chance }),
        sentAt: -Infinity,
        connectEnds: Infinity,
      }));
      const arrivals: { at: number; to: number; kind: "syn" | "rst" }[] = [];
      for (let now = 0; now < 40_000; now++) {
        for (const [i, end] of ends.entries()) {
          const steps = now === end.startAt ? end.punch.begin(now) : [];
          if (now > end.startAt && now >= end.connectEnds) {
            end.connectEnds = Infinity;
            end.punch.connectFailed("unanswered", now);
          }
          if (now > end.startAt && now >= end.punch.dueAt) steps.push(...end.punch.tick(now));
          for (const step of steps) {
            if (step.kind !== "connect") continue;
            end.sentAt = now;
            end.connectEnds = now + 3000;
            arrivals.push({ at: now + delay, to: 1 - i, kind: "syn" });
          }
        }
        for (const arrival of arrivals.splice(0)) {
          if (arrival.at > now) {
            arrivals.push(arrival);
            continue;
          }
          const end = ends[arrival.to]!;
          const isOpen = now - end.sentAt < holeMs && now >= end.startAt;
          if (arrival.kind === "rst") {
            end.connectEnds = Infinity;
            end.punch.connectFailed("refused", now);
          } else if (isOpen) {
            assert.deepEqual(end.punch.accepted(PEER), [{ kind: "won" }]);
            return;
          } else if (rejects) {
            arrivals.push({ at: now + delay, to: 1 - arrival.to, kind: "rst" });
          }
        }
      }
      assert.fail("they did not meet");
    }),
    { numRuns: 60 },
  );
});

Deno.test("the greater address is the TLS client's", () => {
  const address = (...bytes: number[]) => Uint8Array.from(bytes);
  assert.equal(isTlsClient(address(1, 2, 3), address(1, 2, 2)), true);
  assert.equal(isTlsClient(address(1, 2, 3), address(2, 0, 0)), false);
  assert.throws(() => isTlsClient(address(1), address(1)), RangeError);
});
