import assert from "node:assert/strict";
import fc from "fast-check";
import vectors from "../../../tests/vector/tt-v1.json" with { type: "json" };
import { utf8 } from "../../base/bytes.ts";
import { TtKeys } from "../tt/keys.ts";
import { MINUTE_MS, minuteOf } from "./minute.ts";
import { parsePortRange, portOf } from "./port_range.ts";
import { type BindResult, ListenSchedule, type MinutePort } from "./schedule.ts";

const FIRST = 26173462;
/** The start of a minute, some of its minutes and seconds later. */
const at = (minutes: number, seconds = 0) => (FIRST + minutes) * MINUTE_MS + seconds * 1000;

/** Ports of the known answers: 60699 12 min, 33273 13, 39234 11, 65049 4, 16085 7, 56664 8, … */
function known(range = "1024-65535"): (minute: number) => MinutePort {
  const keys = new TtKeys(utf8("password"));
  const parsed = parsePortRange(range);
  return (minute) => {
    const { otp, lifetime } = keys.at(minute);
    return { port: portOf(otp, parsed), lifetime };
  };
}

/** Does what the schedule says. Ports in `taken` and `broken` cannot be bound. */
class Server {
  readonly schedule: ListenSchedule;
  readonly open = new Set<number>();
  readonly taken = new Set<number>();
  readonly broken = new Set<number>();
  readonly held = new Set<number>();
  /** Attempts and their results, as `port result` or `close port`. */
  readonly done: string[] = [];

  constructor(minutePort = known()) {
    this.schedule = new ListenSchedule({ minutePort, isHeld: (port) => this.held.has(port) });
  }

  /** One step; what was done in it. */
  step(now: number): string[] {
    const from = this.done.length;
    for (const step of this.schedule.step(now)) {
      if (step.kind === "close") {
        assert.ok(this.open.delete(step.port), `${step.port} is closed but was not open`);
        this.done.push(`close ${step.port}`);
      } else {
        assert.ok(!this.open.has(step.port), `${step.port} is opened twice`);
        const result = this.#bind(step.port);
        this.done.push(`${step.port} ${result}`);
        this.schedule.bound(step.port, result, now);
      }
    }
    return this.done.slice(from);
  }

  #bind(port: number): BindResult {
    if (this.taken.has(port)) return "taken";
    if (this.broken.has(port)) return "failed";
    this.open.add(port);
    return "open";
  }

  /** Steps as often as it asks for, from `from` until `to`; what was done, with its second. */
  run(from: number, to: number): [number, string][] {
    const log: [number, string][] = [];
    for (let now = from; now < to; now += this.schedule.pause(now)) {
      for (const line of this.step(now)) log.push([(now - at(0)) / 1000, line]);
    }
    return log;
  }
}

const sorted = (ports: Iterable<number>) => [...ports].sort((a, b) => a - b);

Deno.test("a server begins with the ports of T, T+1 and T-1, in this order", () => {
  const server = new Server();
  assert.deepEqual(server.schedule.step(at(1, 30)), [
    { kind: "open", port: 33273, minutes: [FIRST + 1] },
    { kind: "open", port: 39234, minutes: [FIRST + 2] },
    { kind: "open", port: 60699, minutes: [FIRST] },
  ]);
});

Deno.test("at each minute's start one port goes and one comes", () => {
  const server = new Server();
  assert.equal(server.step(at(1)).length, 3);
  assert.deepEqual(server.step(at(1, 59.999)), []);
  assert.deepEqual(server.step(at(2)), ["close 60699", "65049 open"]);
  assert.deepEqual(server.step(at(2, 2)), []);
  assert.deepEqual(server.step(at(3)), ["close 33273", "16085 open"]);
  assert.deepEqual(sorted(server.open), sorted([39234, 65049, 16085]));
});

Deno.test("the ports of T-1, T and T+1 are open all day long, and no others", () => {
  const minutePort = known();
  const server = new Server(minutePort);
  const day = 1440;
  let steps = 0;
  for (let now = at(0, 17); now < at(day); now += server.schedule.pause(now)) {
    server.step(now);
    const t = minuteOf(now);
    const wanted = new Set([t - 1, t, t + 1].map((minute) => minutePort(minute).port));
    assert.deepEqual(sorted(server.open), sorted(wanted));
    steps++;
  }
  assert.ok(steps > day * 29 && steps < day * 31, `${steps} steps`);
  const opens = server.done.filter((line) => line.endsWith("open")).length;
  assert.ok(opens >= day - 2 && opens <= day + 2, `${opens} ports`);
});

Deno.test("what old servers guarantee during a minute is open", () => {
  // Section 1.3: from second 5 on T and T+1; and before it T and what was T+1 a minute ago.
  const { rows } = vectors.schedule;
  const server = new Server();
  server.step(at(0, 5));
  for (let i = 0; i + 1 < rows.length; i++) {
    for (let second = i === 0 ? 5 : 0; second < 60; second += 2) {
      server.step(at(i, second));
      assert.ok(server.open.has(rows[i]!.port) && server.open.has(rows[i + 1]!.port));
    }
  }
});

Deno.test("minutes with the same port have one listener, as long as one of them wants it", () => {
  // Of two ports, 26173462 and on have 40001, 40001, 40000, 40001, 40001, 40001.
  const server = new Server(known("40000-40002"));
  assert.deepEqual(server.schedule.step(at(1)), [
    { kind: "open", port: 40001, minutes: [FIRST, FIRST + 1] },
    { kind: "open", port: 40000, minutes: [FIRST + 2] },
  ]);
  const again = new Server(known("40000-40002"));
  assert.deepEqual(again.run(at(1), at(4)), [[60, "40001 open"], [60, "40000 open"]]);
  const minutes = () => again.schedule.ports.map((p) => [p.port, p.minutes.map((m) => m - FIRST)]);
  assert.deepEqual(minutes(), [[40001, [3, 4]], [40000, [2]]]);
  assert.deepEqual(again.run(at(4), at(5)), [[240, "close 40000"]]);
  assert.deepEqual(minutes(), [[40001, [3, 4, 5]]]);
});

Deno.test("a range of one port is opened once and stays", () => {
  const server = new Server(known("443-443"));
  assert.deepEqual(server.run(at(0), at(60)), [[0, "443 open"]]);
});

Deno.test("a taken port is tried every 2 s while it is wanted, and then no more", () => {
  const server = new Server();
  server.taken.add(39234); // of minute 2: wanted from minute 1 to the end of 3
  const log = server.run(at(1), at(5));
  const tries = log.filter(([, line]) => line.startsWith("39234"));
  assert.deepEqual(
    tries.map(([second]) => second),
    Array.from({ length: 90 }, (_, i) => 60 + 2 * i),
  );
  assert.ok(tries.every(([, line]) => line === "39234 taken"));
  assert.ok(!log.some(([, line]) => line === "close 39234"));
});

Deno.test("a taken port is opened within 2 s of becoming free, and closed in time", () => {
  const server = new Server();
  server.taken.add(39234);
  server.run(at(1), at(1, 31));
  server.taken.clear();
  const log = server.run(at(1, 31), at(5)).filter(([, line]) => line.includes("39234"));
  assert.equal(log.length, 2);
  const [[opened, how], [closed, then]] = log as [[number, string], [number, string]];
  assert.ok(opened >= 91 && opened <= 93, `after ${opened - 91} s`);
  assert.deepEqual([how, then, closed], ["39234 open", "close 39234", 240]);
});

Deno.test("a bind that fails otherwise is tried every 15 s", () => {
  const server = new Server();
  server.broken.add(33273);
  const log = server.run(at(1), at(2)).filter(([, line]) => line.includes("33273"));
  assert.deepEqual(log, [60, 75, 90, 105].map((second) => [second, "33273 failed"]));
});

Deno.test("a listener that ends by itself is opened again", () => {
  const server = new Server();
  server.step(at(1));
  server.open.delete(33273);
  server.schedule.bound(33273, "failed", at(1, 10));
  assert.deepEqual(server.step(at(1, 24.999)), []);
  assert.deepEqual(server.step(at(1, 25)), ["33273 open"]);
});

Deno.test("after hours asleep the state is right in one step", () => {
  const minutePort = known();
  for (const jump of [1, 2, 3, 60, 60 * 24 * 365]) {
    const server = new Server(minutePort);
    server.taken.add(39234);
    server.step(at(1));
    server.taken.clear();
    server.step(at(1 + jump, 13));
    const t = FIRST + 1 + jump;
    const wanted = [t - 1, t, t + 1].map((minute) => minutePort(minute).port);
    assert.deepEqual(sorted(server.open), sorted(wanted));
  }
});

Deno.test("a clock that goes back is followed at once, by what is waiting too", () => {
  const minutePort = known();
  for (const jump of [1, 2, 3, 60, 60 * 24 * 365]) {
    const server = new Server(minutePort);
    server.step(at(1));
    server.step(at(1 - jump, 13));
    const t = FIRST + 1 - jump;
    const wanted = [t - 1, t, t + 1].map((minute) => minutePort(minute).port);
    assert.deepEqual(sorted(server.open), sorted(wanted), `${jump} minutes`);
  }
  const server = new Server(minutePort);
  server.taken.add(33273).add(39234);
  server.step(at(1, 50));
  server.taken.clear();
  // 30 s back in the same minute: the time of the next try would be 32 s away.
  assert.deepEqual(server.step(at(1, 20)), ["33273 open", "39234 open"]);
});

Deno.test("a clock that nobody has set begins with minute 0", () => {
  const minutePort = known();
  for (const now of [0, 59_999, -1, -1e12]) {
    const server = new Server(minutePort);
    server.step(now);
    assert.deepEqual(sorted(server.open), sorted([0, 1].map((minute) => minutePort(minute).port)));
    assert.equal(server.schedule.pause(-1e12), 2000);
  }
});

Deno.test("a held port stays until its lifetime is over, and not longer", () => {
  const server = new Server();
  server.held.add(65049); // of minute 3, lifetime 4
  const log = server.run(at(3), at(20)).filter(([, line]) => line.includes("65049"));
  assert.deepEqual(log, [[180, "65049 open"], [(3 + 4) * 60, "close 65049"]]);
});

Deno.test("a held port goes when nothing holds it any more, and does not come back", () => {
  const server = new Server();
  server.held.add(60699); // of minute 0, lifetime 12
  server.run(at(0), at(5, 31));
  assert.ok(server.open.has(60699));
  server.held.clear();
  const log = server.run(at(5, 31), at(6));
  assert.deepEqual(log, [[331, "close 60699"]]);
  server.held.add(60699);
  assert.ok(!server.run(at(6), at(12)).some(([, line]) => line.includes("60699")));
});

Deno.test("nothing is extended where nothing is held, also by a lifetime of 1 minute", () => {
  const server = new Server((minute) => ({ port: 1024 + minute % 1000, lifetime: 1 }));
  server.held.add(1024 + FIRST % 1000);
  server.run(at(0), at(1, 59));
  assert.ok(server.open.has(1024 + FIRST % 1000), "T-1 is open whatever its lifetime");
  server.step(at(2));
  assert.ok(!server.open.has(1024 + FIRST % 1000), "and T-2 is over");
});

Deno.test("a port that was never open cannot be held", () => {
  const server = new Server();
  server.taken.add(60699);
  server.held.add(60699);
  server.run(at(0), at(2));
  server.taken.clear();
  assert.deepEqual(server.run(at(2), at(4)).filter(([, line]) => line.includes("60699")), []);
});

Deno.test("a held port survives a jump of the clock within its lifetime alone", () => {
  for (const jump of [2, 11, 12, 500]) {
    const server = new Server();
    server.held.add(60699);
    server.step(at(0));
    server.step(at(jump));
    assert.equal(server.open.has(60699), jump < 12, `${jump} minutes`);
  }
  const server = new Server();
  server.held.add(60699);
  server.step(at(0));
  server.step(at(-2));
  assert.ok(!server.open.has(60699), "its minute has not come yet");
});

Deno.test("an answer may come late: for a port that is closed it counts no more", () => {
  const schedule = new ListenSchedule({ minutePort: known() });
  schedule.step(at(0));
  const stateOf = (port: number) => schedule.ports.find((p) => p.port === port)?.state;
  assert.equal(stateOf(60699), "asked");
  assert.deepEqual(schedule.step(at(0, 30)), []); // asked once
  schedule.bound(60699, "open", at(0, 31));
  assert.equal(stateOf(60699), "open");
  // Still being bound when it is wanted no more: its listener is to be thrown away.
  assert.deepEqual(schedule.step(at(3)).filter(({ kind }) => kind === "close"), [
    { kind: "close", port: 60699 },
    { kind: "close", port: 33273 },
    { kind: "close", port: known()(FIRST - 1).port },
  ]);
  schedule.bound(33273, "open", at(3));
  assert.equal(stateOf(33273), undefined);
  schedule.bound(4711, "taken", at(3));
  assert.equal(stateOf(4711), undefined);
});

Deno.test("pause() is 2 s at the most, and ends at the minute's start and at each next try", () => {
  const server = new Server();
  assert.equal(server.schedule.pause(at(1)), 2000);
  server.step(at(1));
  assert.equal(server.schedule.pause(at(1)), 2000);
  assert.equal(server.schedule.pause(at(1, 57)), 2000);
  assert.equal(server.schedule.pause(at(1, 58)), 2000);
  assert.equal(server.schedule.pause(at(1, 59)), 1000);
  assert.equal(server.schedule.pause(at(1, 59.9995)), 1);
  server.taken.add(65049);
  server.step(at(2, 1));
  assert.equal(server.schedule.pause(at(2, 1.5)), 1500);
  assert.equal(server.schedule.pause(at(2, 2.9999)), 1);
  assert.equal(server.schedule.pause(at(2, 9)), 1);
  assert.equal(server.schedule.pause(at(0, 9)), 2000);
});

Deno.test("describe() says what is open until when, and what is not and why", () => {
  const server = new Server();
  assert.equal(server.schedule.describe(), "no ports");
  server.taken.add(33273);
  server.broken.add(39234);
  server.held.add(60699);
  server.step(at(1));
  // Minute 26173462 is 00:22 UTC; T-1 ends two minutes after its start.
  assert.equal(
    server.schedule.describe(),
    "60699 until 00:24 UTC; 33273 taken, tried again until 00:25 UTC; " +
      "39234 failed, tried again until 00:26 UTC",
  );
  server.taken.clear();
  server.broken.clear();
  server.step(at(1, 30));
  assert.match(server.schedule.describe(), /^60699 until 00:24 UTC; /); // held, but not yet only so
  server.step(at(2));
  assert.equal(
    server.schedule.describe(),
    "33273 until 00:25 UTC; 39234 until 00:26 UTC; 65049 until 00:27 UTC; 60699 until 00:34 UTC",
  );
  const asked = new ListenSchedule({ minutePort: known("443-443") });
  asked.step(at(0));
  assert.equal(asked.describe(), "443 asked for");
});

Deno.test("whatever the clock and the binds do, what is open is what the rule says", () => {
  const minutePort = known("20000-20012"); // few ports, so that many are the same
  const all = Array.from({ length: 12 }, (_, i) => 20000 + i);
  const seconds = (min: number, max: number) => fc.integer({ min, max });
  const move = fc.record({
    by: fc.oneof(seconds(-5, 40), seconds(30, 90), seconds(-900, 2000)),
    taken: fc.subarray(all, { maxLength: 4 }),
    broken: fc.subarray(all, { maxLength: 2 }),
    held: fc.subarray(all, { minLength: 3 }),
  });
  let extended = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const server = new Server(minutePort);
      let now = at(0);
      for (const { by, ...world } of moves) {
        now += by * 1000;
        for (const what of ["taken", "broken", "held"] as const) {
          server[what].clear();
          for (const port of world[what]) server[what].add(port);
        }
        const before = new Set(server.open);
        server.step(now);
        const t = minuteOf(now);
        const always = new Set([t - 1, t, t + 1].map((minute) => minutePort(minute).port));
        for (const port of server.open) {
          if (always.has(port)) continue;
          // Kept, not opened; held; and some minute of its own lives still.
          assert.ok(before.has(port) && server.held.has(port), `${port} is open for nothing`);
          const own = Array.from({ length: 13 }, (_, i) => t - 2 - i).filter((minute) =>
            minutePort(minute).port === port && t < minute + minutePort(minute).lifetime
          );
          assert.ok(own.length > 0, `${port} has outlived its minutes`);
          extended++;
        }
        for (const port of always) {
          const isShut = server.schedule.ports.some((p) => p.port === port && p.state !== "open");
          assert.equal(server.open.has(port), !isShut);
          if (isShut) refused++;
        }
        assert.deepEqual(
          sorted(server.schedule.ports.filter((p) => p.state === "open").map((p) => p.port)),
          sorted(server.open),
        );
        // Once everything is free, everything that must be open is, within 15 s.
        const pause = server.schedule.pause(now);
        assert.ok(pause >= 1 && pause <= 2000);
      }
      server.taken.clear();
      server.broken.clear();
      server.run(now, now + 17_001);
      const t = minuteOf(now + 17_000);
      for (const minute of [t - 1, t, t + 1]) assert.ok(server.open.has(minutePort(minute).port));
    }),
    { numRuns: 300 },
  );
  assert.ok(extended > 20, `${extended} ports were extended`);
  assert.ok(refused > 100, `${refused} ports were shut`);
});
