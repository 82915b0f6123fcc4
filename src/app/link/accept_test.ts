import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { forgetful, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { UNABLE } from "../../../tests/fake/v2_pair.ts";
import { TtunError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import { clientHello } from "../../core/link/v2/hello.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { acceptHello, acceptLink, welcome } from "./accept.ts";
import { connectLink } from "./connect.ts";
import { StrangerBudget } from "./stranger_budget.ts";
import { KeyRing } from "./key_ring.ts";

const GONE = new TtunError("lost", "the client has reset");

/** Returns a function that makes an end of a link, each with secrets of its own. */
function partiesOf(world: TunWorld, wire: "v1" | "v2") {
  const { log } = keptLog(world.clock);
  const { router } = world.server();
  return () => {
    const { secrets, clock } = world.common({ wire }, router, log, new AbortController().signal);
    return { secrets, clock, device: UNABLE };
  };
}

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`keys of a ${wire} client that is gone before it is let in are given back`, async () => {
    await using world = new TunWorld();
    const party = partiesOf(world, wire);
    const [near, far] = memoryPair();
    const client = connectLink(far, {
      ...party(),
      instance: seededRng(1)(16),
      memory: forgetful(),
    });
    const ended = assert.rejects(client);
    const candidate = await world.clock.until(
      acceptLink(near, { ...party(), replay: new ReplayMemory(), onRightHello: () => {} }),
    );
    near.writeNow = () => {
      throw GONE;
    };
    const before = world.ciphers.live;
    await assert.rejects(candidate.admit([]), (error) => error === GONE);
    assert(world.ciphers.live < before, "what the link had is gone");
    candidate[Symbol.dispose]();
    await near[Symbol.asyncDispose]();
    await world.clock.until(ended);
    await far[Symbol.asyncDispose]();
    // The world sees to it that no cipher is left.
  });
}

Deno.test("a client gets in though the memory of hellos is full, and its own stays used", async () => {
  await using world = new TunWorld();
  const party = partiesOf(world, "v2")();
  const { secrets, clock } = party;
  const replay = new ReplayMemory(8);
  const flood = (first: number) => {
    for (let i = first; i < first + 100; i++) {
      assert(replay.isNew(seededRng(i)(8), secrets.wallClock(), "192.0.2.66"));
    }
  };
  flood(0);
  const [near, far] = memoryPair();
  const sent: Uint8Array[] = [];
  const writeNow = far.writeNow.bind(far);
  far.writeNow = (bytes) => {
    sent.push(bytes.slice());
    return writeNow(bytes);
  };
  const client = connectLink(far, { ...party, instance: seededRng(1)(16), memory: forgetful() });
  using candidate = await clock.until(
    acceptLink(near, { ...party, replay, onRightHello: () => {} }),
  );
  const refused = candidate.refuse("busy");
  await assert.rejects(client);
  await far[Symbol.asyncDispose]();
  await refused;
  flood(1000);
  assert.equal(replay.size, 8);
  assert(replay.has(sent[0]!.subarray(0, 8)), "it was completed");
  await near[Symbol.asyncDispose]();
});

/** A server with a key whose secret is not worked out yet, and a client's connection to it. */
function waiting(world: TunWorld) {
  const { secrets, clock } = partiesOf(world, "v2")();
  const keys = new KeyRing([{ name: "alice", password: new Uint8Array() }], {
    clock,
    budget: new StrangerBudget({ clock, preciseNow: () => 0 }),
  });
  const ready = Promise.withResolvers<Uint8Array>();
  const done = keys.run(() => ready.promise);
  const [near, far] = memoryPair();
  const replay = new ReplayMemory();
  const o = { secrets: { ...secrets, keys }, clock, replay, onRightHello: () => {} };
  const hello = clientHello(secrets.s, seededRng(2)(8), 40, secrets.wallClock());
  return { secrets, ready, done, near, far, hello, accepted: acceptHello(near, o) };
}

Deno.test("a client waits while its key's secret is worked out, its padding kept", async () => {
  await using world = new TunWorld();
  const { secrets, ready, done, near, far, hello, accepted } = waiting(world);
  far.writeNow(hello);
  await setImmediate();
  far.writeNow(pattern(10));
  await setImmediate();
  far.writeNow(pattern(40).subarray(10));
  await setImmediate();
  ready.resolve(secrets.s);
  await done;
  const { behind, key, padding } = await accepted;
  assert.deepEqual([behind, key, padding], [pattern(40), "alice", 40]);
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});

for (
  const [how, end] of [
    ["that ends", (far: Stream) => far.closeWrite()],
    ["that is reset", (far: Stream) => far.reset()],
    ["with more bytes than a hello's padding", (far: Stream) => void far.writeNow(pattern(300))],
  ] as const
) {
  Deno.test(`a connection ${how} does not wait for keys' secrets`, async () => {
    await using world = new TunWorld();
    const { secrets, ready, done, near, far, hello, accepted } = waiting(world);
    far.writeNow(hello);
    await setImmediate();
    end(far);
    await assert.rejects(accepted);
    ready.resolve(secrets.s);
    await done;
    await near[Symbol.asyncDispose]();
    await far[Symbol.asyncDispose]();
  });
}

Deno.test("a hello is a replay for its own key alone", async () => {
  await using world = new TunWorld();
  const { log } = keptLog(world.clock);
  const { router } = world.server();
  const { signal } = new AbortController();
  const { secrets } = world.common({ wire: "v2" }, router, log, signal);
  const [near, far] = memoryPair();
  const o = { secrets, replay: new ReplayMemory(), onRightHello: () => {} };
  const hello = { padding: 3, isStale: false, skewSeconds: 0 };
  const judge = (name: string) => welcome(near, new Uint8Array(16), { hello, name }, o);
  assert.deepEqual([await judge("ann"), await judge("ben")], [3, 3]);
  await assert.rejects(judge("ann"), /seen before/);
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});
