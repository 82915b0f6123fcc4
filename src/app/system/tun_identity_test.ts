import assert from "node:assert/strict";
import { between, marksAtEnd } from "../../../tests/fake/pool_router.ts";
import { errorOf, type Running, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { parseCidr } from "../../base/addr.ts";
import { AddressPool, type Lease } from "../../core/ip/address_pool.ts";
import type { PoolRouter } from "../tun/pool_router.ts";
import { ClientNetworks, parseClientNetwork } from "../../core/ip/client_networks.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";

const SERVER4 = "10.8.0.1";

/** A client known by a number. */
function identity(n: number, name = "", ...wishes: string[]): ClientIdentity {
  return { id: seededRng(500 + n)(16), name, wishes: wishes.map(parseCidr) };
}

function many(clients: number, o: { remembered?: Lease[]; networks?: string[] } = {}) {
  const own = [parseCidr(`${SERVER4}/24`)];
  const pool = new AddressPool([parseCidr("10.8.0.0/24")], own, clients, o.remembered);
  const kept: (readonly Lease[])[] = [];
  return {
    clients,
    pool,
    networks: new ClientNetworks((o.networks ?? []).map(parseClientNetwork)),
    onLeases: () => void kept.push(pool.kept()),
    kept,
  };
}

/** The address that a client was given last, without its prefix. */
const addressOf = (client: Running) => client.given.at(-1)?.[0]?.split("/")[0];

Deno.test("a restarted client gets its address back, whoever else came meanwhile", async () => {
  await using world = new TunWorld();
  const served = many(3);
  world.server({ wire: "v2", many: served });
  const first = world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1) });
  await world.clock.settle();
  assert.equal(addressOf(first), "10.8.0.2");
  await first.stop();
  const other = world.client({ wire: "v2", host: "192.0.2.12", identity: identity(2) });
  const old = world.client({ wire: "v2", host: "192.0.2.13" });
  await world.clock.settle();
  assert.deepEqual([addressOf(other), addressOf(old)], ["10.8.0.3", "10.8.0.4"]);
  const again = world.client({ wire: "auto", host: "192.0.2.14", identity: identity(1) });
  await world.clock.settle();
  assert.equal(addressOf(again), "10.8.0.2");
  // The leases to be kept are passed on each time, only those of clients with an identity.
  assert.deepEqual(served.kept.at(-1)!.map(({ addresses }) => addresses[0]!.bytes.at(-1)), [3, 2]);
});

Deno.test("leases survive a restart of the server, in whatever order its clients come", async () => {
  const before = many(3);
  {
    await using world = new TunWorld();
    world.server({ wire: "v2", many: before });
    for (const n of [1, 2, 3]) {
      world.client({ wire: "v2", host: `192.0.2.2${n}`, identity: identity(n) });
      await world.clock.settle();
    }
  }
  await using world = new TunWorld();
  world.server({ wire: "v2", many: many(4, { remembered: [...before.kept.at(-1)!] }) });
  const clients = [];
  for (const n of [4, 3, 1, 2]) {
    clients.push(world.client({ wire: "v2", host: `192.0.2.2${n}`, identity: identity(n) }));
    await world.clock.settle();
  }
  assert.deepEqual(clients.map(addressOf), ["10.8.0.5", "10.8.0.4", "10.8.0.2", "10.8.0.3"]);
});

Deno.test("a client gets what it asks for if that is free, never a living one's or the server's", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2", many: many(4) });
  const join = async (n: number, ...wishes: string[]) => {
    const client = world.client({
      wire: "v2",
      host: `192.0.2.2${n}`,
      identity: identity(n, "", ...wishes),
    });
    await world.clock.settle();
    return addressOf(client);
  };
  assert.equal(await join(1, "10.8.0.77/32"), "10.8.0.77");
  assert.equal(await join(2, "10.8.0.77/24"), "10.8.0.2");
  assert.equal(await join(3, `${SERVER4}/24`, "192.168.1.1/24", "10.8.0.9/24"), "10.8.0.9");
});

Deno.test("a second program of a client is refused with its reason while the first lives", async () => {
  for (const clients of [1, 3]) {
    await using world = new TunWorld();
    const server = world.server({ wire: "v2", many: many(clients) });
    const first = world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1) });
    await world.clock.settle();
    const second = world.client({
      wire: "v2",
      host: "192.0.2.12",
      identity: identity(1),
      retries: 0,
    });
    await world.clock.advance(200);
    const error = errorOf(await second.ended);
    assert.equal(error.kind, "busy");
    assert.match(
      error.message,
      /this client is connected already since \d\d:\d\d UTC.*--name NAME/,
    );
    assert.doesNotMatch(error.message, /192\.0\.2\.11/);
    assert.deepEqual([first.given.length, server.fields("disconnected").length], [1, 0]);
  }
});

Deno.test("when the first program is dead, the second has its place and address after 3 s", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2", many: many(3) });
  world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1) });
  await world.clock.settle();
  world.net.cable("192.0.2.11").pull();
  const second = world.client({ wire: "v2", host: "192.0.2.12", identity: identity(1) });
  await world.clock.advance(2_900);
  assert.deepEqual(second.given, []);
  await world.clock.advance(300);
  assert.equal(addressOf(second), "10.8.0.2");
});

Deno.test("two programs of one client that wait for a place never have two", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", many: many(2) });
  const silent = ["192.0.2.11", "192.0.2.12"];
  for (const host of silent) world.client({ wire: "v2", host, retries: 0 });
  await world.clock.settle();
  for (const host of silent) world.net.cable(host).pull();
  const twins = ["192.0.2.21", "192.0.2.22"].map((host) =>
    world.client({ wire: "v2", host, identity: identity(7), retries: 0 })
  );
  await world.clock.advance(12_000);
  assert.deepEqual(twins.map(({ given }) => given.length).toSorted(), [0, 1]);
  assert.equal(server.fields("authenticated").filter(({ name }) => name === undefined).length, 3);
});

Deno.test("a one-client server tells a second program of its client so", async () => {
  await using world = new TunWorld();
  world.server({ wire: "auto" });
  world.client({ wire: "auto", host: "192.0.2.11", identity: identity(1) });
  await world.clock.settle();
  const second = world.client({
    wire: "auto",
    host: "192.0.2.12",
    identity: identity(1),
    retries: 0,
  });
  await world.clock.advance(200);
  assert.match(errorOf(await second.ended).message, /this client is connected already/);
});

Deno.test("a network behind a client is reached through it, by its name and from there only", async () => {
  await using world = new TunWorld();
  const networks = ["Laptop=192.168.7.0/24", "office=192.168.0.0/16", "laptop=fd07::/48"];
  const server = world.server({ wire: "v2", many: many(3, { networks }) });
  const laptop = world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1, "laptop") });
  const office = world.client({ wire: "v2", host: "192.0.2.12", identity: identity(2, "office") });
  const other = world.client({ wire: "v2", host: "192.0.2.13", identity: identity(3, "other") });
  await world.clock.settle();
  server.device.inject(
    between(SERVER4, "192.168.7.9", 1),
    between(SERVER4, "192.168.8.9", 2),
    between("fd00::1", "fd07::9", 3),
    between(SERVER4, "192.169.0.1", 4),
  );
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(laptop.device.written), [1, 3]);
  assert.deepEqual(marksAtEnd(office.device.written), [2]);
  assert.deepEqual(marksAtEnd(other.device.written), []);
  laptop.device.inject(between("192.168.7.9", SERVER4, 11), between("192.168.8.9", SERVER4, 12));
  office.device.inject(between("192.168.8.9", SERVER4, 21), between("192.168.7.9", SERVER4, 22));
  other.device.inject(between("192.168.7.9", SERVER4, 31), between("10.8.0.4", SERVER4, 32));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(server.device.written).toSorted((a, b) => a - b), [11, 21, 32]);
  assert.equal(server.router.counters.droppedForeign, 3);
  assert.deepEqual(server.fields("authenticated")[0]!["networks"], "192.168.7.0/24,fd07::/48");
  // When it has left, nobody else gets what is for there, not even by the wider network.
  await laptop.stop();
  server.device.inject(between(SERVER4, "192.168.7.9", 5));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(office.device.written), [2]);
  assert.equal(server.router.counters.droppedWithoutPeer, 2);
});

Deno.test("networks that move from one client to another do so while both have their sessions", async () => {
  await using world = new TunWorld();
  const all = many(3, { networks: ["a=192.168.7.0/24"] });
  const server = world.server({ wire: "v2", many: all });
  const first = world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1, "a") });
  const second = world.client({ wire: "v2", host: "192.0.2.12", identity: identity(2, "b") });
  await world.clock.settle();
  all.networks.replace(["c=10.7.0.0/16", "b=192.168.7.0/24"].map(parseClientNetwork));
  (server.router as PoolRouter).networksChanged();
  server.device.inject(between(SERVER4, "192.168.7.9", 1), between(SERVER4, "10.7.0.9", 2));
  first.device.inject(between("192.168.7.9", SERVER4, 3));
  second.device.inject(between("192.168.7.9", SERVER4, 4));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(first.device.written), []);
  assert.deepEqual(marksAtEnd(second.device.written), [1]);
  assert.deepEqual(marksAtEnd(server.device.written), [4]);
  const third = world.client({ wire: "v2", host: "192.0.2.13", identity: identity(3, "c") });
  await world.clock.settle();
  server.device.inject(between(SERVER4, "10.7.0.9", 5));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(third.device.written), [5]);
  assert.equal(server.fields("authenticated").length, 3);
});

Deno.test("of two clients with one name the first has the networks, then the second, and the log says so", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", many: many(3, { networks: ["a=192.168.7.0/24"] }) });
  const first = world.client({ wire: "v2", host: "192.0.2.11", identity: identity(1, "a") });
  await world.clock.settle();
  const second = world.client({ wire: "v2", host: "192.0.2.12", identity: identity(2, "a") });
  await world.clock.settle();
  assert.deepEqual([addressOf(first), addressOf(second)], ["10.8.0.2", "10.8.0.3"]);
  const [told] = server.fields(
    "two clients of one name: the networks stay behind the first until it leaves",
  );
  assert.deepEqual([told?.["name"], told?.["networks"]], ["a", "192.168.7.0/24"]);
  second.device.inject(between("192.168.7.9", SERVER4, 1));
  server.device.inject(between(SERVER4, "192.168.7.9", 2));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(first.device.written), [2]);
  assert.deepEqual(server.device.written, []);
  assert.deepEqual(server.fields("authenticated").map((facts) => facts["networks"]), [
    "192.168.7.0/24",
    undefined,
  ]);
  // It may have been dead for long: who is there when it leaves has them, in the order of coming.
  const third = world.client({ wire: "v2", host: "192.0.2.13", identity: identity(3, "a") });
  await world.clock.settle();
  const words = "networks are behind another client of their client's name now";
  for (const [client, next, mark] of [[first, second, 3], [second, third, 4]] as const) {
    await client.stop();
    server.device.inject(between(SERVER4, "192.168.7.9", mark));
    next.device.inject(between("192.168.7.9", SERVER4, 10 + mark));
    await world.clock.settle();
    assert.deepEqual(marksAtEnd(next.device.written), [mark]);
    assert.equal(server.fields(words).at(-1)?.["networks"], "192.168.7.0/24");
  }
  assert.deepEqual(marksAtEnd(server.device.written), [13, 14]);
  // Nobody has them when all have left, and then the next one.
  await third.stop();
  const fourth = world.client({ wire: "v2", host: "192.0.2.14", identity: identity(4, "a") });
  await world.clock.settle();
  server.device.inject(between(SERVER4, "192.168.7.9", 5));
  await world.clock.settle();
  assert.deepEqual(marksAtEnd(fourth.device.written), [5]);
  assert.equal(server.fields("authenticated").at(-1)?.["networks"], "192.168.7.0/24");
});
