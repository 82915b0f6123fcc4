import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DialEvents, Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import { punch, type PunchTools } from "./punch.ts";
import { punchThrough } from "./punch_through.ts";

const PEER = { host: "203.0.113.7", port: 7000 };

/** A network by hand: dials wait for the test, and so do connections that come. */
class World {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly dials: DialEvents[] = [];
  readonly #incoming: Connection[] = [];
  #waiter: OnReady | null = null;
  /** Thrown by the next accept. */
  failure: Error | null = null;

  punch(deadlineMs?: number): Promise<Connection> {
    return punch(this.tools(deadlineMs));
  }

  tools(deadlineMs = 30_000): PunchTools {
    const acceptNow = () => {
      const { failure } = this;
      this.failure = null;
      if (failure !== null) throw failure;
      return this.#incoming.shift() ?? null;
    };
    const listener: Listener = {
      addr: { host: "0.0.0.0", port: 7000 },
      acceptNow,
      onAcceptable: (run) => void (this.#waiter = run),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const dialer = {
      start: (_: unknown, __: unknown, events: DialEvents) => void this.dials.push(events),
    };
    const { clock, stop: { signal } } = this;
    const { log } = keptLog(clock);
    return { peer: PEER, deadlineMs, dialer, listener, clock, rng: seededRng(1), log, signal };
  }

  /** A connection comes from there; returns it, and what ends when it is closed. */
  come(from: { host: string; port: number }): { stream: Connection; isClosed: () => boolean } {
    let closed = false;
    const [inner] = memoryPair();
    const stream = new Proxy(inner as Connection, {
      get(target, name) {
        if (name === "remote") return from;
        if (name === Symbol.asyncDispose) return () => Promise.resolve(void (closed = true));
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    this.#incoming.push(stream);
    this.#waiter?.();
    return { stream, isClosed: () => closed };
  }
}

Deno.test("a connection that comes from the peer ends the connects; others are closed", async () => {
  const world = new World();
  const found = world.punch();
  const stranger = world.come({ host: "198.51.100.9", port: 7000 });
  assert(stranger.isClosed());
  const { stream } = world.come(PEER);
  assert.equal(await found, stream);
  assert.equal(world.clock.pending, 0);
  assert.equal(world.dials.length, 1);
});

Deno.test("a refused connect is made anew, until one is there", async () => {
  const world = new World();
  const found = world.punch();
  world.dials[0]!.failed(new UnreachableError("refused", "no"));
  await world.clock.advance(120);
  world.dials[1]!.failed(new TtunError("timeout", "silent"));
  await world.clock.advance(0);
  assert.equal(world.dials.length, 3);
  const [stream] = memoryPair();
  world.dials[2]!.connected(stream as Connection);
  assert.equal(await found, stream);
  assert.equal(world.clock.pending, 0);
});

Deno.test("the deadline and an abort end it, and leave nothing", async () => {
  const late = new World();
  const missed = assert.rejects(late.punch(1000), { kind: "unreachable" });
  await late.clock.advance(1000);
  await missed;
  const ended = new World();
  const aborted = assert.rejects(ended.punch(), /stop/);
  ended.stop.abort(new Error("stop"));
  await aborted;
  assert.deepEqual([late.clock.pending, ended.clock.pending], [0, 0]);
});

Deno.test("a lack of descriptors passes, and a flood of others does not hold the deadline up", async () => {
  const world = new World();
  const missed = assert.rejects(world.punch(1000), { kind: "unreachable" });
  world.failure = new TtunError("exhausted", "none left");
  const lost = world.come({ host: "198.51.100.9", port: 1 });
  assert(!lost.isClosed());
  await world.clock.advance(50);
  assert(lost.isClosed());
  const flood = Array.from(
    { length: 40 },
    (_, i) => world.come({ host: "198.51.100.9", port: i + 1 }),
  );
  await world.clock.advance(950);
  await missed;
  assert(flood.every(({ isClosed }) => isClosed()));
  assert.equal(world.clock.pending, 0);
});

Deno.test("a connection that breaks under its handshake is tried anew; another failure ends it", async () => {
  const world = new World();
  const tried: Connection[] = [];
  const found = punchThrough(world.tools(), (stream) => {
    tried.push(stream);
    const broke = new TtunError("lost", "Lost the connection: it was reset");
    return tried.length < 3 ? Promise.reject(broke) : Promise.resolve("secure");
  });
  for (let i = 0; i < 3; i++) {
    world.come(PEER);
    await world.clock.advance(300);
  }
  assert.equal(await found, "secure");
  assert.equal(tried.length, 3);
  assert.equal(world.clock.pending, 0);

  const wrong = new World();
  const ended = assert.rejects(
    punchThrough(wrong.tools(), () => Promise.reject(new TtunError("auth", "wrong"))),
    { kind: "auth" },
  );
  wrong.come(PEER);
  await ended;

  const late = new World();
  const broken = assert.rejects(
    punchThrough(late.tools(200), () => Promise.reject(new TtunError("lost", "broke"))),
    { kind: "lost" },
  );
  late.come(PEER);
  await broken;
});

Deno.test("a connection that breaks long after is one that the peer has ended: no other is made", async () => {
  const world = new World();
  const ended = assert.rejects(
    punchThrough(world.tools(), async () => {
      await new Promise<void>((resolve) => world.clock.after(10_000, resolve));
      throw new TtunError("lost", "broke");
    }),
    { kind: "lost" },
  );
  world.come(PEER);
  await world.clock.advance(10_000);
  await ended;
  assert.equal(world.clock.pending, 0);
});
