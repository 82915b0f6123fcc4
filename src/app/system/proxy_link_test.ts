import assert from "node:assert/strict";
import { onEach } from "../../../tests/fake/memory_datagrams.ts";
import {
  type ClientRun,
  echo,
  ProxyWorld,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import { exchange, httpConnect, socks5, socks5Reply } from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { fromHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { packSocksDatagram, readSocksDatagram } from "../../core/proxy/socks/socks5_datagram.ts";
import { write } from "../loop/stream_io.ts";

const AUTO = { mode: "auto" } as const;
const LINK = { mode: "v2" } as const;
const DATA = pattern(3000, 7);

/** A program that has connected to the target by SOCKS5. */
async function connected(world: ProxyWorld, client: ClientRun): Promise<Connection> {
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME)), 0);
  return program;
}

async function works(world: ProxyWorld, client: ClientRun): Promise<void> {
  const program = await connected(world, client);
  assert.deepEqual(await world.clock.until(exchange(program, DATA)), DATA);
}

/** Sessions at both ends that there are now. */
function wires(world: ProxyWorld): string[] {
  return world.sessions.describe().map(({ wire, carriers }) => `${wire} ${carriers.length}`);
}

const TT = "info the server does not answer version 2 of the link: tt is spoken (--wire)";

Deno.test("two ends of ttun find out that both speak version 2, and carry all over one connection", async () => {
  await using world = new ProxyWorld();
  const server = world.server(AUTO);
  world.target(echo);
  const client = world.client(AUTO);
  await world.clock.settle();
  assert.deepEqual(wires(world).sort(), ["v2 1", "v2 1"]);
  const programs = [await connected(world, client), await connected(world, client)];
  const asked = await client.connect();
  assert.equal(await world.clock.until(httpConnect(asked, TARGET_NAME)), 200);
  // Of the server one carrier and three targets, of the client its listener's and the carrier.
  assert.deepEqual([server.streams.open, client.streams.open], [4, 4]);
  for (const program of [...programs, asked]) {
    assert.deepEqual(await world.clock.until(exchange(program, DATA)), DATA);
  }
  await world.clock.settle();
  assert.deepEqual([server.streams.open, client.streams.open], [1, 1]);
  assert.deepEqual(server.lines(), ["info authenticated"]);
  assert.deepEqual(client.lines(), ["info authenticated"]);
});

for (const old of ["of ttun", "of tt"]) {
  Deno.test(`a server ${old} that speaks tt alone is asked in tt after a second, and in version 2 after ten minutes again`, async () => {
    await using world = new ProxyWorld();
    const first = old === "of ttun" ? world.server() : null;
    if (first === null) world.oldServer();
    world.target(echo);
    await world.clock.settle();
    const client = world.client(AUTO);
    await world.clock.settle();
    const began = world.clock.now();
    await works(world, client);
    const waited = world.clock.now() - began;
    assert.ok(waited >= 1000 && waited < 2100, `waited ${waited} ms`);
    assert.deepEqual(client.lines().filter((line) => line === TT), [TT]);
    if (first === null) return;
    const again = world.clock.now();
    await works(world, client);
    assert.ok(world.clock.now() - again < 100, "the second waits for nothing");
    // It is asked once more, and programs go on in tt meanwhile.
    await world.clock.advance(600_000);
    const meanwhile = world.clock.now();
    await works(world, client);
    assert.ok(world.clock.now() - meanwhile < 100);
    await first.stop();
    world.server(AUTO);
    await world.clock.advance(602_000);
    assert.deepEqual(wires(world).sort(), ["v2 1", "v2 1"]);
    await works(world, client);
    assert.deepEqual(client.lines().filter((line) => line === TT), [TT], "it is said once");
  });
}

Deno.test("a server of both wires serves clients of tt, old and new, beside those of version 2", async () => {
  await using world = new ProxyWorld();
  world.server(AUTO);
  world.target(echo);
  const clients = [world.client(), world.client(AUTO), world.client(LINK)];
  await world.clock.settle();
  for (const client of clients) await works(world, client);
  assert.equal(wires(world).length, 4);
});

Deno.test("a server of version 2 alone answers no tt, and a client of it sends none", async () => {
  await using world = new ProxyWorld();
  const server = world.server(LINK);
  world.target(echo);
  const [old, own] = [world.client(), world.client(LINK)];
  await world.clock.settle();
  await works(world, own);
  const program = await old.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME)), 1);
  assert.ok(server.lines().includes("warn connection rejected"), server.lines().join("; "));
  await server.stop();
  world.server(); // it speaks tt alone
  const late = await own.connect();
  assert.equal(await world.clock.until(socks5(late, TARGET_NAME), 60_000), 1);
  assert.ok(!own.lines().includes(TT));
});

Deno.test("a server that has spoken version 2 is never spoken to in tt again", async () => {
  await using world = new ProxyWorld();
  const server = world.server(AUTO);
  world.target(echo);
  const client = world.client(AUTO);
  await world.clock.settle();
  await works(world, client);
  await server.stop();
  const next = world.server(); // as somebody in the middle who holds back what is not tt
  await world.clock.advance(90_000);
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME), 60_000), 1);
  assert.ok(!client.lines().includes(TT));
  assert.ok(next.fields("connection rejected").length > 0);
});

Deno.test("without a server programs are told at once, and are served as soon as it is there", async () => {
  await using world = new ProxyWorld();
  world.target(echo);
  const client = world.client(AUTO);
  for (let i = 0; i < 5; i++) {
    await world.clock.advance(20_000);
    const began = world.clock.now();
    const program = await client.connect();
    assert.equal(await world.clock.until(socks5(program, TARGET_NAME)), 1);
    assert.ok(world.clock.now() - began < 1000, `${world.clock.now() - began} ms`);
  }
  world.server(AUTO);
  await world.clock.settle();
  const began = world.clock.now();
  await works(world, client);
  assert.ok(world.clock.now() - began < 1000, `${world.clock.now() - began} ms`);
});

Deno.test("keys have names, their secrets are worked out while the server runs, and tt waits for none", async () => {
  await using world = new ProxyWorld();
  const keys = ["a", "b", "c", "d"].map((name) => ({ name, password: utf8(`key of ${name}`) }));
  const server = world.server({ ...AUTO, keys, secretMs: 400, deny: ["8.0.0.0/8:81"] });
  world.target(echo);
  await world.clock.settle();
  const old = world.client({ password: "key of d" });
  const began = world.clock.now();
  await works(world, old);
  assert.ok(world.clock.now() - began < 300, "tt has waited");
  const clients = ["d", "a"].map((name) => world.client({ ...AUTO, password: `key of ${name}` }));
  await world.clock.advance(1000);
  for (const client of clients) {
    await works(world, client);
    assert.ok(!client.lines().includes(TT), "its secret was ready too late");
    const program = await client.connect();
    assert.equal(await world.clock.until(socks5(program, TARGET_V4, 81)), 2);
  }
  assert.deepEqual(server.fields("target denied").map((f) => f!.peer), ["192.0.2.2", "192.0.2.2"]);
  const users = server.records().filter(({ message }) => message === "connect")
    .map(({ fields }) => fields!.user);
  assert.deepEqual(users, ["d", "d", "a"]);
});

Deno.test("all keys together have the server's places, whichever wire they speak", async () => {
  await using world = new ProxyWorld();
  const keys = ["a", "b"].map((name) => ({ name, password: utf8(`key of ${name}`) }));
  world.server({ ...AUTO, keys, limits: { total: 4, perAddress: 4 } });
  world.target(echo);
  const greedy = world.client({ ...AUTO, password: "key of a" });
  const other = world.client({ password: "key of b" });
  await world.clock.settle();
  const programs = [];
  for (let i = 0; i < 4; i++) programs.push(await connected(world, greedy));
  await works(world, other);
  assert.equal(programs.length, 4);
});

Deno.test("the connection that goes for another key's is the idlest, not the oldest", async () => {
  await using world = new ProxyWorld();
  const keys = ["a", "b"].map((name) => ({ name, password: utf8(`key of ${name}`) }));
  world.server({ ...AUTO, keys, limits: { total: 3, perAddress: 3 } });
  world.target(echo);
  const greedy = world.client({ ...AUTO, password: "key of a" });
  const other = world.client({ ...AUTO, password: "key of b" });
  await world.clock.settle();
  const [busy, idle, third] = [
    await connected(world, greedy),
    await connected(world, greedy),
    await connected(world, greedy),
  ];
  await world.clock.advance(1000);
  for (const program of [busy!, third!]) {
    const back = readExactly(program, 100);
    await write(program, DATA.subarray(0, 100));
    await world.clock.until(back);
  }
  await connected(world, other);
  await world.clock.settle();
  assert.deepEqual(
    [busy, idle, third].map((one) =>
      one!.stats().peerClosed === true || one!.stats().isGone === true
    ),
    [false, true, false],
  );
});

Deno.test("a hello from a clock that is wrong has no answer, as nothing has in tt, which still works", async () => {
  await using world = new ProxyWorld();
  const server = world.server(AUTO);
  world.target(echo);
  const [auto, link] = [AUTO, LINK].map((wire) => world.client({ ...wire, skewMs: 125_000 }));
  await world.clock.settle();
  await works(world, auto!);
  assert.ok(auto!.lines().includes(TT));
  const program = await link!.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME), 60_000), 1);
  const why = server.fields("connection rejected").map((f) => String(f!.why));
  assert.ok(why.includes("its clock is 124 s ahead of ours"), why.join("; "));
});

Deno.test("a download goes on over three ports that change, byte for byte, as one connection", async () => {
  await using world = new ProxyWorld({ speed: 20, second: 7 });
  const range = { first: 5000, last: 5003 };
  const server = world.server({ ...AUTO, range });
  world.target(echo);
  const client = world.client({ ...AUTO, range });
  await world.clock.settle();
  const program = await connected(world, client);
  const first = world.minute;
  for (let i = 0; world.minute < first + 12; i++) {
    const data = pattern(1000, i + 1);
    const back = readExactly(program, data.length);
    await write(program, data);
    assert.deepEqual(await world.clock.until(back), data);
    await world.clock.advance(370);
  }
  const ports = new Set(client.fields("session goes on").map((f) => f!.server));
  assert.ok(ports.size >= 2, `${[...ports]}`);
  assert.ok(client.lines().every((line) => line.startsWith("info")), client.lines().join("; "));
  assert.equal(server.fields("connect").length, 1);
});

/** Asks for an association; the reply's code. */
async function associate(program: Connection): Promise<number> {
  await write(program, fromHex("050100"));
  await readExactly(program, 2);
  await write(program, fromHex("05030001000000000000"));
  return await socks5Reply(program);
}

Deno.test("UDP ASSOCIATE works over version 2, is refused with 07 over tt, and --direct's targets get nothing by the server", async () => {
  await using world = new ProxyWorld();
  const server = world.server(AUTO);
  const client = world.client({ ...AUTO, direct: ["8.0.0.99/32"] });
  await world.clock.settle();
  const asked: string[] = [];
  for (const host of [TARGET_V4, "8.0.0.99"]) {
    const socket = world.datagrams.on(host).bind({ host, port: 53 }, { signal: world.signal });
    onEach(socket, (text, from) => {
      asked.push(`${text} at ${host}`);
      socket.sendTo(utf8(`answer to ${text}`), from);
    });
  }
  const control = await client.connect();
  await write(control, fromHex("050100"));
  await world.clock.until(readExactly(control, 2));
  await write(control, fromHex("05030001000000000000"));
  const reply = await world.clock.until(readExactly(control, 10));
  assert.equal(reply[1], 0);
  const relay = { host: "127.0.0.1", port: reply[8]! << 8 | reply[9]! };
  const own = world.datagrams.on("127.0.0.1")
    .bind({ host: "127.0.0.1", port: 2000 }, { signal: world.signal });
  const said: string[] = [];
  onEach(own, (_text, _from, datagram) => {
    const { target, bytes } = readSocksDatagram(datagram)!;
    said.push(`${new TextDecoder().decode(bytes)} from ${target.host}`);
  });
  for (const host of ["8.0.0.99", TARGET_V4]) {
    own.sendTo(packSocksDatagram({ host, port: 53 }, utf8("question")), relay);
  }
  await world.clock.advance(100);
  assert.deepEqual(asked, [`question at ${TARGET_V4}`]);
  assert.deepEqual(said, [`answer to question from ${TARGET_V4}`]);
  await control[Symbol.asyncDispose]();
  await world.clock.settle();
  const old = world.client();
  assert.equal(await world.clock.until(associate(await old.connect())), 7);
  const waiting = world.client({ ...AUTO, server: SERVER_HOST });
  assert.equal(await world.clock.until(associate(await waiting.connect())), 7, "no session yet");
  await server.stop();
});

Deno.test("a secret that cannot be worked out ends the program, with the reason", async () => {
  await using world = new ProxyWorld();
  const error = new TtunError("exhausted", "Cannot work out the key: too little memory");
  const client = world.client({ ...AUTO, secretError: error });
  const server = world.server({ ...AUTO, secretError: error });
  await world.clock.settle();
  assert.deepEqual([await client.ended, await server.ended], [error, error]);
});
