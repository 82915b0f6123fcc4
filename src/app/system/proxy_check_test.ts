import assert from "node:assert/strict";
import { echo, ProxyWorld, RANGE, SERVER_HOST, TARGET_NAME } from "../../../tests/fake/proxy.ts";
import { socks5 } from "../../../tests/fake/proxy_programs.ts";
import { watched } from "../../../tests/fake/watched_dialer.ts";

const FOUND = "the server answers, and has the same key";
const NOT_FOUND = "no way to the server yet; each connection tries again";

Deno.test("a client says at the start that its server answers, and the first program gains by it", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const { client, dialer } = watched(world, { checksServer: true });
  world.target(echo);
  await world.clock.settle();
  assert.deepEqual(client.fields(FOUND), [{ server: "server.example", ms: 0 }]);
  assert.equal(await socks5(await client.connect(), TARGET_NAME), 0);
  // Nothing was asked for, and what the server is like is known by now.
  assert.deepEqual(dialer.flights.map((flight) => flight.slice(0, 2)), ["><", "><"]);
  assert.equal(dialer.flights[1], "><");
  assert.deepEqual([server.lines(), client.lines()], [[], [`info ${FOUND}`]]);
});

Deno.test("an existing server is found as well", async () => {
  await using world = new ProxyWorld();
  world.oldServer();
  const client = world.client({ checksServer: true });
  await world.clock.settle();
  assert.deepEqual(client.lines(), [`info ${FOUND}`]);
});

Deno.test("a server that is not there yet is no end, and the listener does not wait for it", async () => {
  await using world = new ProxyWorld();
  const client = world.client({ checksServer: true });
  world.target(echo);
  world.net.cable(SERVER_HOST).pull();
  await world.clock.settle();
  const program = await client.connect(); // while the server is being tried
  await program[Symbol.asyncDispose]();
  await world.clock.advance(10_000);
  const [{ server, why }] = client.fields(NOT_FOUND) as [{ server: string; why: string }];
  assert.equal(server, "server.example");
  assert.match(why, /no answer within 5 s .*firewall.*--port-range.*another key/);
  world.net.cable(SERVER_HOST).plug();
  world.server();
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME)), 0);
  assert.deepEqual(client.lines(), [`warn ${NOT_FOUND}`]);
});

Deno.test("what is found: refused, another key, a name that does not resolve", async () => {
  const one = { first: 4000, last: 4000 };
  for (
    const [what, o, server, wanted] of [
      ["nobody there", {}, null, /refused.*another key/],
      ["another key", { range: one, password: "other" }, one, /another key, cipher or port range/],
      ["no name", { server: "no-server.example" }, RANGE, /does not resolve/],
    ] as const
  ) {
    await using world = new ProxyWorld();
    if (server !== null) world.server({ range: server });
    const client = world.client({ ...o, checksServer: true });
    await world.clock.advance(20_000);
    assert.deepEqual(client.lines(), [`warn ${NOT_FOUND}`], what);
    const [{ why }] = client.fields(NOT_FOUND) as [{ why: string }];
    assert.match(why, wanted, what);
  }
});

Deno.test("an end while the server is being tried leaves nothing", async () => {
  await using world = new ProxyWorld();
  world.net.cable(SERVER_HOST).pull();
  const client = world.client({ checksServer: true });
  await world.clock.advance(100);
  await client.stop();
  assert.deepEqual([await client.ended, client.streams.open, client.lines()], [null, 0, []]);
});
