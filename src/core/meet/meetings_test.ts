import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import { meetingIdOfNumber } from "./meeting_id.ts";
import { type MeetingEnd, Meetings, type MeetingStep, PAIR_MS, WAIT_MS } from "./meetings.ts";
import type { EndMessage, Side } from "./messages.ts";

const ID = new Uint8Array(16).fill(1);
const OTHER_ID = new Uint8Array(16).fill(2);
const HERE = { host: "9.9.9.9", port: 1024 };

/** Meetings whose steps are told in words, each end by the name that the test gave it. */
class World {
  readonly meetings: Meetings;
  now = 0;
  readonly #names = new Map<MeetingEnd, string>();

  constructor(relays = 1) {
    this.meetings = new Meetings({ relays });
  }

  /** Ends whose connection is lost. */
  readonly lost = new Set<string>();

  enter(name: string): MeetingEnd {
    const origin = { observed: HERE, isConnected: () => !this.lost.has(name) };
    const end = this.meetings.enter(origin, this.now);
    this.#names.set(end, name);
    return end;
  }

  send(end: MeetingEnd, message: EndMessage): string[] {
    return this.tell(this.meetings.received(end, message, this.now));
  }

  join(end: MeetingEnd, side: Side, id: Uint8Array | null = ID, token = 0): string[] {
    const name = this.#names.get(end)!;
    const own = new Uint8Array(16).fill(token === 0 ? name.charCodeAt(0) : token);
    return this.send(end, { kind: "join", side, id, end: own });
  }

  ready(end: MeetingEnd, roundTripMs = 0): string[] {
    const address = { keepsPort: true, candidates: [HERE] };
    return this.send(end, { kind: "ready", roundTripMs, address });
  }

  leave(end: MeetingEnd): string[] {
    return this.tell(this.meetings.left(end, this.now));
  }

  tick(ms: number): string[] {
    this.now += ms;
    return this.tell(this.meetings.tick(this.now));
  }

  /** Both ends, told to connect. */
  pair(id = ID): [MeetingEnd, MeetingEnd] {
    const ends = [this.enter("L"), this.enter("D")] as const;
    this.join(ends[0], "listens", id);
    this.join(ends[1], "dials", id);
    this.ready(ends[0]);
    this.ready(ends[1]);
    return [...ends];
  }

  tell(steps: readonly MeetingStep[]): string[] {
    const name = (end: MeetingEnd) => this.#names.get(end)!;
    return steps.map((step) => {
      if (step.kind === "close") return `close ${name(step.end)}`;
      if (step.kind === "relay") return `relay ${name(step.dials)} ${name(step.listens)}`;
      const { message } = step;
      const more = message.kind === "go"
        ? ` ${message.waitMs}`
        : message.kind === "refused"
        ? ` ${message.reason}`
        : message.kind === "joined"
        ? ` ${message.number}`
        : "";
      return `${name(step.to)} ${message.kind}${more}`;
    });
  }
}

Deno.test("two ends learn each other's addresses, and go at the same moment", () => {
  const world = new World();
  const [l, d] = [world.enter("L"), world.enter("D")];
  assert.deepEqual(world.join(l, "listens"), ["L joined 0"]);
  assert.deepEqual(world.ready(l, 20), []);
  assert.deepEqual(world.join(d, "dials"), ["D joined 0"]);
  // A signal that takes 10 ms to the one and 100 ms to the other arrives at 10 and 100: the first waits 90.
  assert.deepEqual(world.ready(d, 200), ["L go 110", "D go 20"]);
});

Deno.test("numbers are the smallest that are free; a number's meeting is found by its name", () => {
  const world = new World();
  const ends = ["A", "B", "C"].map((name) => world.enter(name));
  assert.deepEqual(ends.flatMap((end) => world.join(end, "listens", null)), [
    "A joined 1",
    "B joined 2",
    "C joined 3",
  ]);
  assert.deepEqual(world.leave(ends[1]!), []);
  const again = world.enter("B");
  assert.deepEqual(world.join(again, "listens", meetingIdOfNumber(2)), ["B joined 0"]);
  const next = world.enter("E");
  assert.deepEqual(world.join(next, "listens", null), ["E joined 4"]);
  world.leave(again);
  assert.deepEqual(world.join(world.enter("F"), "listens", null), ["F joined 2"]);
});

Deno.test("a third end is refused, and one that comes again takes its own place", () => {
  const world = new World();
  const [l] = world.pair();
  const third = world.enter("X");
  assert.deepEqual(world.join(third, "dials"), ["X refused taken", "close X"]);
  assert.deepEqual(world.leave(third), []);
  assert.deepEqual(world.join(world.enter("Y"), "listens"), ["Y refused taken", "close Y"]);
  const again = world.enter("L");
  assert.deepEqual(world.join(again, "listens"), ["L refused replaced", "close L", "L joined 0"]);
  assert.deepEqual(world.leave(l), []);
  assert.deepEqual(world.ready(again), [], "a second after the last time at the earliest");
  assert.deepEqual(world.tick(1000), ["L go 20", "D go 20"]);
});

Deno.test("whoever has lost its connection keeps no other out", () => {
  const world = new World();
  world.pair();
  world.lost.add("D");
  const next = world.enter("N");
  assert.deepEqual(world.join(next, "dials"), ["D refused replaced", "close D", "N joined 0"]);
  world.now += 1000;
  assert.deepEqual(world.ready(next), ["L go 20", "N go 20"]);
});

Deno.test("an end that leaves is missed, and another may come", () => {
  const world = new World();
  const [l, d] = world.pair();
  assert.deepEqual(world.leave(d), ["L gone"]);
  world.now += 5000;
  const next = world.enter("N");
  world.join(next, "dials");
  assert.deepEqual(world.ready(next), ["L go 20", "N go 20"]);
  assert.deepEqual(world.leave(l), ["N gone"]);
  world.leave(next);
  assert.equal(world.meetings.count, 0);
});

Deno.test("times: to say where one goes, to wait, and to connect", () => {
  const world = new World();
  const silent = world.enter("S");
  assert.equal(world.meetings.dueAt, 10_000);
  assert.deepEqual(world.tick(10_000), ["S refused late", "close S"]);
  assert.deepEqual(world.leave(silent), []);
  const joined = world.enter("J");
  world.join(joined, "listens");
  assert.deepEqual(world.tick(10_000), ["J refused late", "close J"]);
  const waits = world.enter("W");
  world.join(waits, "listens");
  world.ready(waits);
  assert.deepEqual(world.tick(WAIT_MS - 1), []);
  assert.deepEqual(world.tick(1), ["W refused late", "close W"]);
  world.pair();
  assert.deepEqual(world.tick(PAIR_MS), ["D refused late", "close D", "L gone"]);
  assert.deepEqual(world.tick(WAIT_MS), ["L refused late", "close L"]);
  assert.deepEqual([world.meetings.count, world.meetings.dueAt], [0, Infinity]);
});

Deno.test("a relay is for a pair, for as many as there may be, and frees the meeting", () => {
  const world = new World(1);
  const alone = world.enter("A");
  world.join(alone, "dials", OTHER_ID);
  world.ready(alone);
  assert.deepEqual(world.send(alone, { kind: "relay" }), ["A refused alone"]);
  const [l, d] = world.pair();
  assert.deepEqual(world.send(d, { kind: "relay" }), ["D relayed", "L relayed", "relay D L"]);
  assert.equal(world.meetings.relays, 1);
  world.now += 5000;
  const [, second] = world.pair();
  assert.deepEqual(world.send(second, { kind: "relay" }), ["D refused relaysFull"]);
  assert.deepEqual([world.leave(l), world.leave(d)], [[], []]);
  world.meetings.unrelayed();
  assert.deepEqual(world.send(second, { kind: "relay" }), ["D relayed", "L relayed", "relay D L"]);
});

Deno.test("a server without relays says so, and the pair goes on", () => {
  const world = new World(0);
  const [l, d] = world.pair();
  assert.deepEqual(world.send(d, { kind: "relay" }), ["D refused relayOff"]);
  assert.deepEqual(world.leave(l), ["D gone"]);
});

Deno.test("what comes at the wrong time ends the stream", () => {
  const world = new World();
  const end = world.enter("E");
  assert.throws(() => world.ready(end), ProtocolError);
  assert.throws(() => world.send(end, { kind: "relay" }), ProtocolError);
  world.join(end, "listens");
  assert.throws(() => world.join(end, "listens"), ProtocolError);
  world.ready(end);
  assert.throws(() => world.ready(end), ProtocolError);
  assert.throws(() => world.send(end, { kind: "relay" }), ProtocolError, "of who listens");
});

const anyAct = fc.record({
  end: fc.nat(5),
  act: fc.constantFrom("join", "number", "ready", "relay", "leave", "enter", "tick"),
  side: fc.constantFrom<Side>("listens", "dials"),
  id: fc.nat(2),
});

Deno.test("whatever ends do, a meeting has two at most, and all is gone when they are", () => {
  fc.assert(fc.property(fc.array(anyAct, { maxLength: 60 }), (acts) => {
    const world = new World(2);
    const ends = Array.from({ length: 6 }, (_, i) => world.enter(`${i}`));
    const closed = new Set<string>();
    let relays = 0;
    const perform = (words: string[]) => {
      for (const word of words) {
        const [first, second] = word.split(" ");
        assert(!closed.has(first!), `nothing is sent behind a close: ${word}`);
        if (first === "close") closed.add(second!);
        if (first === "relay") relays++;
      }
    };
    for (const { end: i, act, side, id } of acts) {
      const end = ends[i]!;
      if (act !== "enter" && closed.has(`${i}`)) continue;
      try {
        if (act === "join") perform(world.join(end, side, new Uint8Array(16).fill(id)));
        else if (act === "number") perform(world.join(end, "listens", null));
        else if (act === "ready") perform(world.ready(end, 10 * i));
        else if (act === "relay") perform(world.send(end, { kind: "relay" }));
        else if (act === "tick") perform(world.tick(5000));
        else {
          perform(world.leave(end));
          closed.delete(`${i}`);
          ends[i] = world.enter(`${i}`);
        }
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        perform(world.leave(end));
        closed.add(`${i}`);
      }
      assert(world.meetings.relays <= 2 && world.meetings.count <= 6);
    }
    assert.equal(world.meetings.relays, relays);
    for (const end of ends) world.leave(end);
    assert.deepEqual([world.meetings.count, world.meetings.dueAt], [0, Infinity]);
  }));
});
