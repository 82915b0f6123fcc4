import assert from "node:assert/strict";
import packet from "dns-packet";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { seededRng } from "../../../tests/fake/rng.ts";
import { NameQuery, type Outcome, type QueryConf, type QueryStep } from "./name_query.ts";

const CONF: QueryConf = {
  timeoutMs: 5000,
  attempts: 2,
  useVc: false,
  single: "no",
  noAaaa: false,
};

/** A query whose network the test is. */
class World {
  now = 0;
  wakeAt = Infinity;
  outcome: Outcome | null = null;
  /** `socket/server type`, with a `+` where EDNS is spoken; `tcp/server type` over TCP. */
  sent: string[] = [];
  readonly query: NameQuery;
  readonly #last = new Map<string, Uint8Array>();
  readonly #exchanges = new Map<string, number>();

  constructor(
    conf: Partial<QueryConf> = {},
    servers: readonly number[] = [0],
    patience?: ReadonlyMap<number, number>,
  ) {
    this.query = new NameQuery("host.example", {
      conf: { ...CONF, ...conf },
      servers,
      ...(patience && { patience }),
      rng: seededRng(1),
    });
    this.#do(this.query.begin(0));
  }

  #do(steps: QueryStep[]): void {
    for (const step of steps) {
      assert.equal(this.outcome, null, "nothing comes after the end");
      if (step.kind === "done") this.outcome = step.outcome;
      if (step.kind === "wakeAt") this.wakeAt = step.at;
      if (step.kind !== "send" && step.kind !== "ask") continue;
      const { questions, additionals } = packet.decode(Buffer.from(step.bytes));
      const edns = additionals.length > 0 ? "+" : "";
      const way = step.kind === "send" ? `${step.socket}` : "tcp";
      const { type } = questions[0];
      this.sent.push(`${way}/${step.server} ${type}${edns}`);
      this.#last.set(`${step.server} ${type}`, step.bytes);
      if (step.kind === "ask") this.#exchanges.set(`${step.server} ${type}`, step.exchange);
    }
  }

  /** Returns the questions sent since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** Until just before the next thing that is due by itself, then that. */
  wake(): number {
    this.now = this.wakeAt;
    this.#do(this.query.woke(this.now));
    return this.now;
  }

  #reply(server: number, type: string, answer: Record<string, unknown>): Uint8Array {
    const query = packet.decode(Buffer.from(this.#last.get(`${server} ${type}`)!));
    const { rcode = 0, tc = 0, ...rest } = answer;
    const flags = 0x8180 | Number(rcode) | (tc === 0 ? 0 : 0x0200);
    return new Uint8Array(
      packet.encode({ type: "response", id: query.id, flags, questions: query.questions, ...rest }),
    );
  }

  answer(server: number, type: string, answer: Record<string, unknown>, socket = 2 * server): this {
    this.#do(this.query.received(socket, this.#reply(server, type, answer), this.now));
    return this;
  }

  whole(server: number, type: string, answer: Record<string, unknown> | null): this {
    const exchange = this.#exchanges.get(`${server} ${type}`)!;
    const bytes = answer === null ? null : this.#reply(server, type, answer);
    this.#do(this.query.receivedWhole(exchange, bytes, this.now));
    return this;
  }

  unreachable(server: number): this {
    this.#do(this.query.unreachable(2 * server, this.now));
    return this;
  }
}

const record = (type: string, data: string, ttl = 60) => ({
  answers: [{ name: "host.example", type, ttl, data }],
});
const V4 = record("A", "192.0.2.1");
const V6 = record("AAAA", "2001:db8::1", 30);
const NONE = { rcode: 0 };
const NOWHERE = { rcode: 3 };
const BOTH = ["0/0 AAAA+", "0/0 A+"];

Deno.test("both families are asked at once, and their answers are one", () => {
  const world = new World();
  assert.deepEqual(world.take(), BOTH);
  world.answer(0, "A", V4);
  assert.equal(world.outcome, null);
  world.answer(0, "AAAA", V6);
  assert.deepEqual(world.outcome, {
    kind: "addresses",
    addresses: ["2001:db8::1", "192.0.2.1"],
    ttl: 30,
  });
  assert.deepEqual([[...world.query.answered], [...world.query.silent]], [[0], []]);
  const late = world.query.received(0, new Uint8Array(40), 1);
  assert.deepEqual([late, world.query.woke(9e9), world.query.unreachable(0, 1)], [[], [], []]);
});

Deno.test("no such name, no such address, and one family alone", () => {
  const ends = (a: Record<string, unknown>, aaaa: Record<string, unknown>) =>
    new World().answer(0, "AAAA", aaaa).answer(0, "A", a).outcome?.kind;
  assert.equal(ends(NOWHERE, NOWHERE), "nxdomain");
  assert.equal(ends(NONE, NONE), "nodata");
  assert.equal(ends(V4, NONE), "addresses");
  assert.equal(
    ends(V4, NOWHERE),
    "addresses",
    "servers that say so of IPv6 alone are wrong (RFC 4074)",
  );
  assert.equal(ends(NONE, V6), "addresses");
});

Deno.test("a family that is never answered is not waited for when the other one is", () => {
  const world = new World().answer(0, "A", V4);
  assert.equal(world.wake(), 300);
  assert.deepEqual(world.outcome, { kind: "addresses", addresses: ["192.0.2.1"], ttl: 30 });
  const nodata = new World().answer(0, "A", NONE);
  assert.equal(nodata.wake(), 1000, "there may be addresses of the other one");
});

Deno.test("a datagram may be lost, also for its EDNS: it is sent again without, before the next server is asked", () => {
  const world = new World({ attempts: 1 }, [0, 1]);
  world.take();
  assert.equal(world.wake(), 1000);
  assert.deepEqual(world.take(), ["0/0 AAAA", "0/0 A"]);
  world.answer(0, "A", NONE);
  assert.equal(world.wake(), 3000);
  assert.deepEqual(world.take(), ["0/0 AAAA"], "only what has no answer");
  assert.equal(world.wake(), 5000);
  assert.deepEqual(world.take(), ["2/1 AAAA+"]);
});

Deno.test("a family that a server cannot tell is asked of the next one at once, whichever was told first", () => {
  for (const other of [NONE, V6]) {
    const failedFirst = new World({}, [0, 1]);
    failedFirst.take();
    failedFirst.answer(0, "A", { rcode: 2 }).answer(0, "AAAA", other);
    assert.deepEqual(failedFirst.take(), ["2/1 A+"]);
    const failedLast = new World({}, [0, 1]);
    failedLast.take();
    failedLast.answer(0, "AAAA", other).answer(0, "A", { rcode: 2 });
    assert.deepEqual(failedLast.take(), ["2/1 A+"]);
    assert.equal(failedFirst.answer(1, "A", V4).outcome?.kind, "addresses");
  }
  const alone = new World({ attempts: 1 }).answer(0, "A", { rcode: 2 }).answer(0, "AAAA", V6);
  assert.deepEqual(alone.outcome?.kind, "addresses", "there is nobody else to ask");
});

Deno.test("servers one after the other, as often as it is said, in the second round without EDNS", () => {
  const world = new World({ timeoutMs: 1000 }, [2, 0]);
  const all = [world.take()];
  while (world.outcome === null) {
    world.wake();
    if (world.sent.length > 0) all.push(world.take());
  }
  assert.deepEqual(all, [
    ["4/2 AAAA+", "4/2 A+"],
    ["0/0 AAAA+", "0/0 A+"],
    ["4/2 AAAA", "4/2 A"],
    ["0/0 AAAA", "0/0 A"],
  ]);
  assert.equal(world.now, 4000);
  assert.deepEqual(world.outcome, { kind: "silent" });
  assert.deepEqual([...world.query.silent], [2, 0]);
});

Deno.test("a server that was silent lately has less time before the next one is asked", () => {
  const world = new World({}, [0, 1], new Map([[0, 250], [1, 250]]));
  world.take();
  assert.equal(world.wake(), 250);
  assert.deepEqual(world.take(), ["2/1 AAAA+", "2/1 A+"]);
  while (!world.sent.includes("0/0 A")) world.wake();
  assert.equal(
    world.now,
    5250,
    "the last one has all of its time, and in the second round all have",
  );
  const single = new World({}, [0], new Map([[0, 250]]));
  assert.equal(single.wake(), 1000);
});

Deno.test("a server that answers late has answered", () => {
  const world = new World({ timeoutMs: 1000 }, [0, 1]);
  world.wake();
  world.answer(0, "A", V4).answer(0, "AAAA", V6);
  assert.equal(world.outcome?.kind, "addresses");
  assert.deepEqual([[...world.query.answered], [...world.query.silent]], [[0], []]);
});

Deno.test("where nothing listens, or a server cannot tell, the next one is asked at once", () => {
  const world = new World({}, [0, 1, 2]);
  world.take();
  world.unreachable(0);
  assert.deepEqual(world.take(), ["2/1 AAAA+", "2/1 A+"]);
  world.answer(1, "A", { rcode: 2 });
  assert.deepEqual(world.take(), [], "the other family may be answered");
  world.answer(1, "AAAA", { rcode: 5 });
  assert.deepEqual(world.take(), ["4/2 AAAA+", "4/2 A+"]);
  world.answer(2, "A", V4).answer(2, "AAAA", NONE);
  assert.equal(world.outcome?.kind, "addresses");
  const bad = new World({ attempts: 1 });
  bad.answer(0, "A", { rcode: 2 }).answer(0, "AAAA", { rcode: 2 });
  assert.deepEqual(bad.outcome, { kind: "failed", rcode: 2 });
  const none = new World();
  none.unreachable(0).unreachable(0);
  assert.deepEqual(none.outcome, { kind: "silent" });
  assert.equal(none.now, 0);
});

Deno.test("a server of before EDNS is asked without it, for each family", () => {
  const world = new World({}, [0, 1]);
  world.take();
  world.answer(0, "AAAA", { rcode: 1 }).answer(0, "A", { rcode: 4 });
  assert.deepEqual(world.take(), ["0/0 AAAA", "0/0 A"]);
  world.answer(0, "AAAA", { rcode: 1 }).answer(0, "A", { rcode: 1 });
  assert.deepEqual(world.take(), ["2/1 AAAA+", "2/1 A+"], "that was not the reason");
});

Deno.test("what does not fit is asked for over TCP, and the next server where that fails", () => {
  const world = new World({}, [0, 1]);
  world.take();
  world.answer(0, "AAAA", NONE);
  world.wake();
  assert.equal(world.wake(), 3000);
  world.take();
  world.answer(0, "A", { tc: 1 });
  assert.deepEqual(world.take(), ["tcp/0 A+"]);
  assert.equal(world.wakeAt, 8000, "it has its own time");
  world.whole(0, "A", V4);
  assert.equal(world.outcome?.kind, "addresses");
  for (const answer of [null, { tc: 1 }, { rcode: 2 }]) {
    const other = new World({}, [0, 1]);
    other.answer(0, "AAAA", NONE).answer(0, "A", { tc: 1 });
    other.take();
    other.whole(0, "A", answer);
    assert.deepEqual(other.take(), ["2/1 A+"]);
  }
});

Deno.test("use-vc: TCP from the beginning; no-aaaa: IPv4 alone", () => {
  const world = new World({ useVc: true, noAaaa: true }, [0, 1]);
  assert.deepEqual(world.take(), ["tcp/0 A+"]);
  assert.equal(world.wakeAt, 5000);
  world.whole(0, "A", null);
  assert.deepEqual(world.take(), ["tcp/1 A+"]);
  world.whole(1, "A", V4);
  assert.deepEqual(world.outcome, { kind: "addresses", addresses: ["192.0.2.1"], ttl: 60 });
});

Deno.test("single-request: one family after the other; reopen: from a socket of its own", () => {
  const world = new World({ single: "single" });
  assert.deepEqual(world.take(), ["0/0 AAAA+"]);
  world.answer(0, "AAAA", V6);
  assert.deepEqual(world.take(), ["0/0 A+"]);
  assert.equal(world.wakeAt, 1000);
  world.answer(0, "A", V4);
  assert.equal(world.outcome?.kind, "addresses");
  const reopen = new World({ single: "reopen" });
  reopen.answer(0, "AAAA", NONE);
  assert.deepEqual(reopen.take(), ["0/0 AAAA+", "1/0 A+"]);
  reopen.answer(0, "A", V4, 1);
  assert.equal(reopen.outcome?.kind, "addresses");
});

Deno.test("each question has a number of its own, and a wrong one is passed over", () => {
  const ids = new Set<number>();
  const rng = seededRng(7);
  for (let i = 0; i < 50; i++) {
    const query = new NameQuery("host.example", { conf: CONF, servers: [0], rng });
    for (const step of query.begin(0)) {
      if (step.kind === "send") ids.add((step.bytes[0]! << 8) | step.bytes[1]!);
    }
  }
  assert(ids.size > 90);
});

Deno.test("it ends, whatever comes in whatever order", () => {
  const event = fc.tuple(
    fc.constantFrom("answer", "whole", "unreachable", "wake", "garbage"),
    fc.nat(2),
    fc.constantFrom("A", "AAAA"),
    fc.constantFrom(V4, V6, NONE, NOWHERE, { rcode: 2 }, { rcode: 1 }, { tc: 1 }),
  );
  const single = fc.constantFrom("no" as const, "single" as const, "reopen" as const);
  fc.assert(fc.property(fc.array(event), single, fc.boolean(), (events, single, useVc) => {
    const world = new World({ single, useVc }, [0, 1, 2]);
    for (const [kind, server, type, answer] of events) {
      if (world.outcome !== null) break;
      try {
        if (kind === "answer") world.answer(server, type, answer, 2 * server + (+(type === "A")));
        else if (kind === "whole") world.whole(server, type, answer);
        else if (kind === "unreachable") world.unreachable(server);
        else if (kind === "garbage") {
          world.query.received(2 * server, new Uint8Array(99), world.now);
        } else world.wake();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // that server was never asked so
      }
    }
    for (let left = 100; world.outcome === null; left--) {
      assert(left > 0 && world.wakeAt < Infinity);
      world.wake();
    }
  }));
});
