import assert from "node:assert/strict";
import { forgetful, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { UNABLE } from "../../../tests/fake/v2_pair.ts";
import { TtunError } from "../../base/errors.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { acceptLink } from "./accept.ts";
import { connectLink } from "./connect.ts";

const GONE = new TtunError("lost", "the client has reset");

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`keys of a ${wire} client that is gone before it is let in are given back`, async () => {
    await using world = new TunWorld();
    const { log } = keptLog(world.clock);
    const { router } = world.server();
    const party = () => {
      const { secrets, clock } = world.common({ wire }, router, log, new AbortController().signal);
      return { secrets, clock, device: UNABLE };
    };
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
  const { log } = keptLog(world.clock);
  const { router } = world.server();
  const { secrets, clock } = world.common(
    { wire: "v2" },
    router,
    log,
    new AbortController().signal,
  );
  const party = { secrets, clock, device: UNABLE };
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
  await candidate.refuse("busy");
  await assert.rejects(client);
  flood(1000);
  assert.equal(replay.size, 8);
  assert(replay.has(sent[0]!.subarray(0, 8)), "it was completed");
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});
