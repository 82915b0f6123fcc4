import assert from "node:assert/strict";
import { FakePaths } from "../../../tests/fake/paths.ts";
import { errorOf, SERVER_HOST, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const CLIENT_HOST = "192.0.2.2";

/** A client whose dials are noted, and its ways. */
function setUp(world: TunWorld, o: Partial<Parameters<TunWorld["client"]>[0]> = {}) {
  const paths = new FakePaths();
  const times: number[] = [];
  const inner = world.net.dialer(CLIENT_HOST);
  const dialer: Dialer = dialBy((to, options) => {
    times.push(world.clock.now());
    return dial(inner, to, options);
  });
  const client = world.client({ wire: "v2", dialer, paths, ...o });
  const sessions = () => client.fields("authenticated").length;
  return { paths, times, client, sessions };
}

Deno.test("a way that appears ends the pause at once, and the pauses begin anew", async () => {
  await using world = new TunWorld();
  const { paths, times, sessions } = setUp(world);
  paths.way = null;
  while (times.length < 6) await world.clock.advance(100);
  await world.clock.advance(1_000);
  paths.change({ way: "dev eth1" });
  await world.clock.settle();
  assert.deepEqual(times.slice(6), [world.clock.now()]);
  await world.clock.advance(1_000); // 1 s less up to a quarter, as after the first failure
  assert.equal(times.length, 8);
  world.server({ wire: "v2" });
  paths.change({ way: "dev eth2" });
  await world.clock.settle();
  assert.equal(sessions(), 1);
});

Deno.test("a pause is not cut short by what leaves the way as it was, or takes it away", async () => {
  await using world = new TunWorld();
  const { paths, times } = setUp(world);
  while (times.length < 5) await world.clock.advance(100);
  paths.change();
  paths.change({ way: null });
  paths.change();
  await world.clock.advance(1_000);
  assert.equal(times.length, 5);
  paths.change({ way: "dev eth0" }); // as it was before, but it has been away
  await world.clock.settle();
  assert.equal(times.length, 6);
});

Deno.test("a way that changes while an attempt fails is not waited for", async () => {
  await using world = new TunWorld();
  const { paths, times, sessions } = setUp(world, {
    dialer: dialBy((to, o) => {
      times.push(world.clock.now());
      if (times.length > 1) return dial(world.net.dialer(CLIENT_HOST), to, o);
      paths.way = "dev eth1"; // the system tells so a little later
      return Promise.reject(new TtunError("unreachable", "no route"));
    }),
  });
  world.server({ wire: "v2" });
  await world.clock.settle();
  assert.deepEqual([times, sessions()], [[0, 0], 1]);
});

Deno.test("an attempt that waits on the old way is given up for the new one", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const cable = world.net.cable(SERVER_HOST);
  cable.pull();
  const { paths, times, sessions } = setUp(world, { retries: 1 });
  await world.clock.advance(3_000);
  cable.plug();
  paths.change({ way: "dev eth1" });
  await world.clock.settle();
  assert.deepEqual([times, sessions()], [[0, 3_000], 1]);
});

Deno.test("a session whose source address or whose way is gone is replaced at once", async () => {
  const changes: [Parameters<FakePaths["change"]>[0], RegExp][] = [
    [{ own: ["192.0.2.99"] }, /this machine has the address 192\.0\.2\.2 no more/],
    [{ way: "dev eth1" }, /the way there was dev eth0 and is dev eth1/],
  ];
  for (const [change, words] of changes) {
    await using world = new TunWorld();
    world.server({ wire: "v2" });
    const { paths, client, sessions } = setUp(world);
    await world.clock.advance(5_000);
    paths.change(change);
    await world.clock.settle();
    assert.equal(sessions(), 2);
    assert.match(client.lines().find((line) => line.includes("at once"))!, words);
    assert.equal(paths.listeners, 1);
  }
});

Deno.test("what leaves the way as it was does not touch the session, and is not asked about", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const { paths, sessions } = setUp(world);
  await world.clock.advance(1_000);
  for (let i = 0; i < 10; i++) paths.change();
  paths.wayFrom = "dev eth0";
  paths.change({ way: "dev eth0 src 192.0.2.77" }); // which new connections would have
  await world.clock.advance(60_000);
  assert.equal(sessions(), 1);
});

Deno.test("a session of Multipath TCP finds other ways itself, and is only asked whether it lives", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const inner = world.net.dialer(CLIENT_HOST);
  const dialer: Dialer = dialBy(async (to, o) => {
    const stream = await dial(inner, to, o);
    const stats = stream.stats.bind(stream);
    stream.stats = () => ({ ...stats(), protocol: "mptcp" });
    return stream;
  });
  const { paths, sessions } = setUp(world, { dialer });
  await world.clock.advance(1_000);
  paths.change({ way: "dev eth1", own: [] });
  paths.change({ way: null });
  paths.change({ way: "dev eth2" });
  await world.clock.advance(5_000);
  assert.equal(sessions(), 1);
});

Deno.test("where ways are only guessed at, another one is no reason to leave a session", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const { paths, sessions } = setUp(world);
  paths.isExact = false;
  await world.clock.advance(1_000);
  paths.change({ way: "en1 10.0.0.9" });
  await world.clock.advance(1_000);
  assert.equal(sessions(), 1);
  paths.change({ own: [] });
  await world.clock.settle();
  assert.equal(sessions(), 2);
});

Deno.test("after an outage a session that answers goes on, one that does not is replaced in half a second", async () => {
  for (const lives of [true, false]) {
    await using world = new TunWorld();
    world.server({ wire: "v2" });
    const hosts = ["192.0.2.3", CLIENT_HOST]; // of the first attempt and of the second
    const dialer: Dialer = dialBy((to, o) => dial(world.net.dialer(hosts.shift()!), to, o));
    const { paths, sessions } = setUp(world, { dialer });
    await world.clock.advance(5_000);
    world.net.cable("192.0.2.3").pull();
    paths.change({ way: null });
    await world.clock.advance(3_000);
    assert.equal(sessions(), 1); // it may come back as it was
    if (lives) world.net.cable("192.0.2.3").plug();
    paths.change({ way: "dev eth0" });
    await world.clock.advance(499);
    paths.change();
    assert.equal(sessions(), 1);
    await world.clock.advance(1);
    await world.clock.settle();
    assert.equal(sessions(), lives ? 1 : 2);
  }
});

Deno.test("a client that has moved dials the address that it knows, without a question", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  let asked = 0;
  const resolver = { resolve: () => Promise.resolve(++asked > 0 ? [SERVER_HOST] : []) };
  const { paths, sessions } = setUp(world, { resolver });
  await world.clock.advance(1_000);
  paths.change({ way: "dev eth1" });
  await world.clock.settle();
  assert.deepEqual([sessions(), asked], [2, 1]);
});

Deno.test("addresses that somebody has asked for are dialled first, and kept when nobody answers", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const resolver = { resolve: () => Promise.reject(new TtunError("name", "No name server")) };
  const { sessions } = setUp(world, { resolver, addresses: [SERVER_HOST] });
  await world.clock.settle();
  assert.equal(sessions(), 1);
  await server.stop();
  world.server({ wire: "v2" });
  await world.clock.advance(2_000);
  assert.equal(sessions(), 2);
});

Deno.test("a way that cannot be opened is the attempt's failure, with its words", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const { paths, client, times } = setUp(world, { retries: 0 });
  paths.onOpen = () => {
    throw new TtunError("privilege", "Cannot keep the way to the server out of the tunnel");
  };
  const error = errorOf(await world.clock.until(client.ended));
  assert.deepEqual([error.kind, times], ["privilege", []]);
  assert.deepEqual(paths.opened, [SERVER_HOST]);
});

Deno.test("an IPv4 address that is written as one of IPv6 is opened, dialled and forgotten as IPv4", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const dialled: string[] = [];
  const inner = world.net.dialer(CLIENT_HOST);
  const { paths, sessions } = setUp(world, {
    resolver: { resolve: () => Promise.resolve(["::FFFF:c000:201"]) },
    dialer: dialBy((to, o) => {
      dialled.push("host" in to ? to.host : "");
      return dial(inner, to, o);
    }),
  });
  await world.clock.settle();
  assert.deepEqual([paths.opened, dialled, sessions()], [[SERVER_HOST], [SERVER_HOST], 1]);
  assert.deepEqual(paths.kept, [SERVER_HOST]);
});
