import assert from "node:assert/strict";
import { errorOf, type Running, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { parseCidr } from "../../base/addr.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";

/** A server with the keys `ann` and `ben`, that of its clients' addresses has few. */
function served(world: TunWorld, clients: number, network = "10.8.0.0/29"): Running {
  const pool = new AddressPool([parseCidr(network)], [parseCidr("10.8.0.1/29")], clients);
  return world.server({ wire: "v2", keys: ["ann", "ben"], many: { clients, pool } });
}

/** A client that keeps an identity, made from a number. */
function client(world: TunWorld, psk: string, id: number, more: { retries?: number } = {}) {
  const identity = { id: seededRng(500 + id)(16), name: "", wishes: [] };
  return world.client({ wire: "v2", psk, identity, instance: 2000 + id, ...more });
}

const addressOf = (client: Running) => client.given.at(-1)?.[0]?.split("/")[0];

Deno.test("clients of two keys that call themselves the same are two, with an address each", async () => {
  await using world = new TunWorld();
  const server = served(world, 3);
  const ann = client(world, "ann", 1);
  await world.clock.settle();
  const ben = client(world, "ben", 1);
  await world.clock.settle();
  assert.deepEqual([ann, ben].map(addressOf), ["10.8.0.2", "10.8.0.3"]);
  assert.equal(server.fields("disconnected").length, 0);
});

Deno.test("a key with ever new clients gets no address that a client of another key had", async () => {
  await using world = new TunWorld();
  served(world, 2);
  const ben = client(world, "ben", 1);
  await world.clock.settle();
  await ben.stop();
  for (let id = 10; id < 30; id++) {
    const ann = client(world, "ann", id);
    await world.clock.settle();
    assert.notEqual(addressOf(ann), addressOf(ben));
    await ann.stop();
  }
  const again = client(world, "ben", 1);
  await world.clock.settle();
  assert.equal(addressOf(again), addressOf(ben));
});

Deno.test("a key whose clients have all places gives one to a client of another key, and the log says why", async () => {
  await using world = new TunWorld();
  const server = served(world, 3);
  const all = [1, 2, 3].map((id) => client(world, "ann", id, { retries: 0 }));
  await world.clock.settle();
  const ben = client(world, "ben", 9, { retries: 0 });
  await world.clock.settle();
  assert.equal(ben.given.length, 1);
  assert.deepEqual(server.fields("disconnected").map(({ why }) => why), [
    "its key has most of the places, and a client of another key is here",
  ]);
  await all[2]!.ended;
  // Two and one are as even as can be.
  const more = client(world, "ben", 10, { retries: 0 });
  await world.clock.advance(1_500);
  assert.equal(errorOf(await more.ended).kind, "busy");
  assert.equal(server.fields("disconnected").length, 1);
});
