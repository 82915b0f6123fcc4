import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { read, write } from "../loop/stream_io.ts";
import { Gatekeeper, type GatekeeperOptions, type Visitor } from "./gatekeeper.ts";
import { Stranger } from "./stranger.ts";

const PASSWORD = 7;

/** Reads one byte; 1 is a right hello, after which another byte comes. */
async function prove(stream: Connection, at: string, visitor: Visitor): Promise<string> {
  const into = new Uint8Array(1);
  if (await read(stream, into) === null) throw new TtunError("lost", "ended");
  if (into[0] === PASSWORD) return `${at} is in`;
  if (into[0] !== 1) throw new Stranger("a wrong byte");
  visitor.recognise();
  return await prove(stream, at, visitor);
}

class World {
  readonly clock = new FakeClock();
  readonly rejected: string[] = [];
  readonly gate: Gatekeeper;

  constructor(o: Partial<GatekeeperOptions> = {}) {
    this.gate = new Gatekeeper({
      clock: this.clock,
      rng: (length) => new Uint8Array(length).fill(128), // the deadline is at 20 s
      onRejected: (why, peer) => this.rejected.push(`${peer}: ${(why as Error).message}`),
      ...o,
    });
  }

  /** Admits a connection that sends these bytes; `end` is when the peer saw its end. */
  visit(...bytes: number[]) {
    const [near, far] = memoryPair();
    const visit = { far, got: this.gate.admit(near, "peer", prove, "it"), end: -1, how: "" };
    const mark = (how: string) => {
      visit.end = this.clock.now();
      visit.how = how;
    };
    const hear = async () => await read(far, new Uint8Array(1));
    void hear().then(() => mark("FIN"), () => mark("reset")); // handles both
    void visit.got.then(() => near[Symbol.asyncDispose]()); // as the caller of `admit` does
    if (bytes.length > 0) void write(far, Uint8Array.from(bytes)); // there is room
    return visit;
  }
}

Deno.test("whoever proves the key is in, and waits no more", async () => {
  const { gate, clock, rejected, visit } = bound(new World());
  const { got } = visit(1, PASSWORD);
  assert.equal(gate.size, 1);
  assert.equal(await clock.until(got), "it is in");
  assert.deepEqual([gate.size, clock.pending, rejected], [0, 0, []]);
});

Deno.test("a stranger is told of at once, and ends in its time without having heard anything", async () => {
  const { gate, clock, rejected, visit } = bound(new World());
  const visitor = visit(9);
  await clock.settle();
  assert.deepEqual(rejected, ["peer: a wrong byte"]);
  assert.equal(gate.strangers.size, 1); // it still counts
  assert.equal(await clock.until(visitor.got), null);
  await clock.settle();
  assert.deepEqual([visitor.end, visitor.how], [20_000, "FIN"]);
  assert.equal(gate.size, 0);
});

for (const isPlain of [true, false]) {
  Deno.test(`whoever is too slow is ended, with that as the reason: plain ${isPlain}`, async () => {
    const { gate, clock, rejected, visit } = bound(new World({ isPlain }));
    const visitor = visit();
    assert.equal(await clock.until(visitor.got), null);
    await clock.settle();
    assert.deepEqual(rejected, ["peer: Dropped: the handshake took too long"]);
    const end = [visitor.end, visitor.how];
    assert.deepEqual(end, isPlain ? [10_000, "reset"] : [20_000, "FIN"]);
    assert.equal(gate.size, 0);
  });
}

Deno.test("strangers displace each other, but nobody whose first bytes were right", async () => {
  const { gate, clock, rejected, visit } = bound(
    new World({ limits: { total: 2, perAddress: 2 } }),
  );
  const known = visit(1);
  const first = visit();
  await clock.settle();
  assert.deepEqual([gate.strangers.size, gate.known.size], [1, 1]);
  const others = [visit(), visit()];
  assert.equal(await first.got, null);
  assert.deepEqual(rejected, ["peer: Dropped: too many connections wait for their handshake"]);
  assert.ok(gate.evictIdle() && gate.evictIdle());
  assert.equal(gate.known.size, 1);
  assert.ok(gate.evictIdle());
  assert.ok(!gate.evictIdle());
  for (const { got } of [...others, known]) assert.equal(await got, null);
  assert.deepEqual([gate.size, clock.pending], [0, 0]);
});

Deno.test("a connection that ends early is rejected with its own error", async () => {
  const { clock, rejected, visit } = bound(new World());
  const { far, got } = visit();
  await far.closeWrite();
  assert.equal(await clock.until(got), null);
  assert.deepEqual(rejected, ["peer: ended"]);
});

function bound(world: World) {
  return { ...world, visit: world.visit.bind(world) };
}
