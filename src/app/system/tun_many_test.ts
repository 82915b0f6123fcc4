import assert from "node:assert/strict";
import { between, marksAtEnd } from "../../../tests/fake/pool_router.ts";
import { errorOf, type Running, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";

const FIRST = "192.0.2.11";
const SECOND = "192.0.2.12";
const THIRD = "192.0.2.13";

const SERVER4 = "10.8.0.1";
const SERVER6 = "fd00:8::1";

function many(clients: number) {
  const networks = ["10.8.0.0/24", "fd00:8::/64"].map(parseCidr);
  const own = [`${SERVER4}/24`, `${SERVER6}/64`].map(parseCidr);
  return { clients, pool: new AddressPool(networks, own, clients) };
}

/** A server for so many. */
function served(world: TunWorld, clients = 2): Running {
  return world.server({ wire: "v2", many: many(clients) });
}

/** The addresses of a client's n-th session, without their prefixes. */
function addressesOf(client: Running, session = -1): [four: string, six: string] {
  const given = client.given.at(session)!.map((text) => text.split("/")[0]!);
  return given as [string, string];
}

/** Sends packets of both families each way, and sees that they come to this client and no other. */
async function exchange(world: TunWorld, server: Running, client: Running, mark: number) {
  const [four, six] = addressesOf(client);
  const [down, up] = [client.device.written.length, server.device.written.length];
  server.device.inject(between(SERVER4, four, mark), between(SERVER6, six, mark + 1));
  client.device.inject(between(four, SERVER4, mark + 2), between(six, SERVER6, mark + 3));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(client.device.written.slice(down)), [mark, mark + 1]);
  assert.deepEqual(marksAtEnd(server.device.written.slice(up)), [mark + 2, mark + 3]);
}

Deno.test("two clients get addresses of the pool, each its own, and both carry packets", async () => {
  await using world = new TunWorld();
  const server = served(world);
  const first = world.client({ wire: "v2", host: FIRST });
  await world.clock.settle();
  const second = world.client({ wire: "auto", host: SECOND });
  await world.clock.settle();
  assert.deepEqual(first.given, [["10.8.0.2/24", "fd00:8::2/64"]]);
  assert.deepEqual(second.given, [["10.8.0.3/24", "fd00:8::3/64"]]);
  for (let i = 0; i < 5; i++) {
    await exchange(world, server, first, 10 * i);
    await exchange(world, server, second, 1_000 + 10 * i);
  }
  assert.deepEqual(server.fields("authenticated").map(({ addresses }) => addresses), [
    "10.8.0.2/24,fd00:8::2/64",
    "10.8.0.3/24,fd00:8::3/64",
  ]);
  assert.equal(server.router.counters.droppedWithoutPeer, 0);
});

Deno.test("what a client sends from another's address, or from its own network's, goes nowhere", async () => {
  await using world = new TunWorld();
  const server = served(world);
  const first = world.client({ wire: "v2", host: FIRST });
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.settle();
  const [other] = addressesOf(second);
  first.device.inject(between(other, SERVER4, 1), between("192.168.1.2", SERVER4, 2));
  await world.clock.settle();
  assert.deepEqual([server.device.written.length, server.router.counters.droppedForeign], [0, 2]);
  await exchange(world, server, first, 10);
});

Deno.test("a third client is refused at once, with words, and may come when a place is free", async () => {
  await using world = new TunWorld();
  const server = served(world);
  const first = world.client({ wire: "v2", host: FIRST });
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.settle();
  const third = world.client({ wire: "v2", host: THIRD, retries: 0 });
  await world.clock.advance(200);
  const error = errorOf(await third.ended);
  assert.equal(error.kind, "busy");
  assert.match(error.message, /all 2 places are taken/);
  assert.deepEqual([third.given, server.fields("authenticated").length], [[], 2]);
  assert.equal(server.lines().filter((line) => /client turned away/.test(line)).length, 1);
  await exchange(world, server, first, 10);
  await exchange(world, server, second, 20);
  await first.stop();
  const fourth = world.client({ wire: "v2", host: THIRD });
  await world.clock.settle();
  assert.deepEqual(fourth.given, [["10.8.0.4/24", "fd00:8::4/64"]]);
  await exchange(world, server, fourth, 30);
  await exchange(world, server, second, 40);
});

Deno.test("one that keeps trying is in soon after a place is free", async () => {
  await using world = new TunWorld();
  const server = served(world, 1);
  const first = world.client({ wire: "v2", host: FIRST });
  await world.clock.settle();
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.advance(60_000);
  assert.deepEqual(second.given, []);
  await first.stop();
  await world.clock.advance(60_000);
  assert.deepEqual(second.given, [["10.8.0.3/24", "fd00:8::3/64"]]);
  await exchange(world, server, second, 1);
});

Deno.test("the same instance coming back gets its addresses, and replaces its stale session at once", async () => {
  await using world = new TunWorld();
  const server = served(world, 3);
  world.client({ wire: "v2", host: FIRST });
  const stale = world.client({ wire: "v2", host: SECOND, instance: 7 });
  await world.clock.settle();
  const had = stale.given[0]!;
  world.net.cable(SECOND).pull();
  const again = world.client({ wire: "v2", host: THIRD, instance: 7 });
  await world.clock.settle();
  assert.deepEqual(again.given, [had]);
  assert.equal(server.fields("disconnected").length, 1);
  assert.equal(world.clock.now(), 0);
  await exchange(world, server, again, 10);
  // It had one place and has one: there is one more, and then none.
  const fourth = world.client({ wire: "v2", host: "192.0.2.14" });
  const fifth = world.client({ wire: "v2", host: "192.0.2.15", retries: 0 });
  await world.clock.advance(1_500);
  assert.deepEqual([fourth.given.length, fifth.given.length], [1, 0]);
  assert.equal(errorOf(await fifth.ended).kind, "busy");
});

Deno.test("a client whose connection breaks has its addresses again when it is back", async () => {
  await using world = new TunWorld();
  const server = served(world);
  const first = world.client({ wire: "v2", host: FIRST });
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.settle();
  const had = [first.given[0], second.given[0]];
  for (const host of [FIRST, SECOND]) world.net.cable(host).pull();
  await world.clock.advance(16_000);
  assert.equal(server.fields("disconnected").length, 2);
  world.net.cable(SECOND).plug(); // the other way round than they came
  await world.clock.advance(60_000);
  world.net.cable(FIRST).plug();
  await world.clock.advance(60_000);
  assert.deepEqual([first.given.at(-1), second.given.at(-1)], had);
  await exchange(world, server, first, 10);
  await exchange(world, server, second, 20);
});

Deno.test("a silent client loses its place after 3 s to one that finds all taken; the others stay", async () => {
  await using world = new TunWorld();
  const server = served(world);
  world.client({ wire: "v2", host: FIRST });
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.settle();
  world.net.cable(FIRST).pull();
  const third = world.client({ wire: "v2", host: THIRD });
  await world.clock.advance(2_900);
  assert.deepEqual(third.given, []);
  await world.clock.advance(300);
  assert.deepEqual(third.given, [["10.8.0.4/24", "fd00:8::4/64"]]);
  await exchange(world, server, third, 10);
  await exchange(world, server, second, 20);
  assert.match(String(server.fields("disconnected")[0]?.["why"]), /it is silent/);
});

Deno.test("a client that cannot have the addresses says why, and its place is free again", async () => {
  await using world = new TunWorld();
  const server = served(world, 1);
  const failure = new TtunError("privilege", "Cannot set the addresses");
  const first = world.client({
    wire: "v2",
    host: FIRST,
    retries: 0,
    takeAddresses: () => {
      throw failure;
    },
  });
  await world.clock.settle();
  assert.equal(await first.ended, failure);
  const second = world.client({ wire: "v2", host: SECOND });
  await world.clock.settle();
  assert.equal(second.given.length, 1);
  await exchange(world, server, second, 10);
});

Deno.test("a client that takes long over its addresses is not taken for dead, and then carries packets", async () => {
  await using world = new TunWorld();
  const server = served(world, 2);
  const ready = Promise.withResolvers<void>();
  const client = world.client({ wire: "v2", host: FIRST, takeAddresses: () => ready.promise });
  await world.clock.advance(100_000);
  assert.equal(client.fields("authenticated").length, 0);
  server.device.inject(between(SERVER4, "10.8.0.2", 1));
  await world.clock.advance(1_000);
  assert.deepEqual(client.device.written, []);
  ready.resolve();
  await world.clock.advance(1_000);
  await exchange(world, server, client, 10);
  await world.clock.advance(60_000);
  assert.deepEqual([client.given.length, server.fields("disconnected").length], [1, 0]);
});

Deno.test("a server with one client gives no addresses, and says so", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const client = world.client({ wire: "v2" });
  await world.clock.settle();
  assert.deepEqual(client.given, [[]]);
});

Deno.test("sessions are told of with their own traffic, and many come and go", async () => {
  await using world = new TunWorld();
  const server = served(world, 5);
  for (let round = 0; round < 3; round++) {
    const clients = [1, 2, 3, 4, 5].map((i) => world.client({ wire: "v2", host: `192.0.2.2${i}` }));
    await world.clock.settle();
    assert.equal(new Set(clients.map((client) => addressesOf(client)[0])).size, 5);
    for (const [i, client] of clients.entries()) {
      for (let times = 0; times <= i; times++) await exchange(world, server, client, 100 * i);
    }
    for (const client of clients) await client.stop();
    const told = server.fields("disconnected").slice(5 * round);
    assert.deepEqual(
      told.map(({ sent_bytes, received_bytes }) => [sent_bytes, received_bytes]),
      [120, 240, 360, 480, 600].map((bytes) => [bytes, bytes]),
    );
  }
  assert.deepEqual(server.lines().filter((line) => line.startsWith("error")), []);
});
