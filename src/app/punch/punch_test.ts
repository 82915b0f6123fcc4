import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DialEvents, Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import { punch } from "./punch.ts";

const PEER = { host: "203.0.113.7", port: 7000 };

/** A network by hand: dials wait for the test, and so do connections that come. */
class World {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly dials: DialEvents[] = [];
  readonly #incoming: Connection[] = [];
  #waiter: OnReady | null = null;

  punch(deadlineMs = 30_000): Promise<Connection> {
    const listener: Listener = {
      addr: { host: "0.0.0.0", port: 7000 },
      acceptNow: () => this.#incoming.shift() ?? null,
      onAcceptable: (run) => void (this.#waiter = run),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const dialer = {
      start: (_: unknown, __: unknown, events: DialEvents) => void this.dials.push(events),
    };
    const { clock, stop: { signal } } = this;
    return punch({ peer: PEER, deadlineMs, dialer, listener, clock, rng: seededRng(1), signal });
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
