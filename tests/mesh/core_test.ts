import { equal } from "node:assert/strict";
import { coreWorld, finish } from "./core_fleet.ts";
import { mustHoldCore } from "./core_run.ts";
import { settle } from "./fleet.ts";

Deno.test("mesh: a core that is cut off: holders stop by themselves, and one goes on after", () => {
  const sim = coreWorld(1);
  const { world, history, clients } = sim;
  settle(world);
  for (const client of clients) client.start();
  world.pass(10_000);
  const before = history.holdings.length;
  equal(before > 0, true);
  const heal = world.network.part([0], [1, 2, 3, 4], true);
  world.pass(20_000);
  // The core's own node may get the lease once the last holder's time is over, and nobody else.
  const meanwhile = history.holdings.slice(before);
  equal(meanwhile.every(({ by }) => by === 0), true);
  equal(history.holdings.every(({ by, until }) => by === 0 || until < world.now), true);
  heal();
  world.pass(20_000);
  equal(history.holdings.at(-1)!.until > world.now, true);
  finish(sim);
});

Deno.test("mesh: a core that moves while leases are held: holders go on, and nobody else gets them", () => {
  const sim = coreWorld(2);
  const { world, host, history, clients } = sim;
  settle(world);
  for (const client of clients) client.start();
  world.pass(10_000);
  const before = history.holdings.length;
  const { token } = history.holdings.at(-1)!;
  const counted = history.counted;
  host.move(world.nodes[1]!, 800);
  world.pass(20_000);
  equal(host.at, world.nodes[1]);
  equal(history.counted > counted, true);
  // The one that held it holds it still: all sessions have their full time again.
  equal(history.holdings.length, before);
  equal(history.holdings.at(-1)!.token, token);
  equal(history.holdings.at(-1)!.until > world.now, true);
  // The old node comes back, and is no core any more.
  world.crash(world.nodes[0]!);
  world.start(world.nodes[0]!);
  world.pass(10_000);
  finish(sim);
});

Deno.test("mesh: a core that is killed gives every session its full time again", () => {
  const sim = coreWorld(3);
  const { world, history, clients } = sim;
  settle(world);
  for (const client of clients.slice(1)) client.start();
  world.pass(10_000);
  for (let i = 0; i < 3; i++) {
    world.crash(world.nodes[0]!);
    world.pass(1000);
    world.start(world.nodes[0]!);
    world.pass(8000);
  }
  equal(history.holdings.at(-1)!.until > world.now, true);
  finish(sim);
});

for (let first = 1; first <= 25; first += 12) {
  Deno.test(`mesh: a core with faults is linearizable, and a lease has one holder, seeds from ${first}`, () => {
    for (let seed = first; seed < first + 12; seed++) mustHoldCore(seed);
  });
}
