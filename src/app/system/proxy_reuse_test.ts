import assert from "node:assert/strict";
import {
  type ClientRun,
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  RANGE,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import {
  ending,
  exchange,
  httpConnect,
  httpGet,
  socks4,
  socks5,
  web,
} from "../../../tests/fake/proxy_programs.ts";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { oldPort } from "../../../tests/fake/tt_old.ts";
import { firstFrame, frame, GREETING, Hand, PORT } from "../../../tests/fake/tt_hand.ts";
import { watched } from "../../../tests/fake/watched_dialer.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { request } from "../../core/proxy/socks/socks5_client.ts";
import { accept, read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** How long a client keeps an idle connection, and how long it waits on one. */
const CLIENT_KEEPS = 10_000;
const AGAIN = 2_000;

/** A server, a client whose dials are counted, and an echo behind them. */
async function start(o: { eager?: boolean } = {}) {
  const world = new ProxyWorld();
  const server = world.server();
  const both = watched(world, { isEager: o.eager ?? false });
  world.target(echo);
  await world.clock.settle();
  return { world, server, ...both };
}

/** A connection from first byte to both ends. */
async function once(world: ProxyWorld, client: ClientRun, seed: number): Promise<void> {
  const program = await client.connect();
  const asks = [socks5, httpConnect, socks4] as const;
  const host = seed % 3 === 2 ? TARGET_V4 : TARGET_NAME;
  await world.clock.until(asks[seed % 3]!(program, host));
  const data = pattern(1000 * seed + 1, seed);
  assert.deepEqual(await world.clock.until(exchange(program, data)), data);
  await program[Symbol.asyncDispose]();
  await world.clock.settle();
}

Deno.test("programs one after the other, however they ask, share one connection", async () => {
  const { world, server, client, dialer } = await start();
  await using _world = world;
  for (let i = 1; i <= 20; i++) await once(world, client, i);
  assert.equal(dialer.dialled.length, 1);
  assert.deepEqual([client.streams.open, server.streams.open], [0, 1]);
  assert.deepEqual([...server.lines(), ...client.lines()], []);
});

Deno.test("HTTP programs one after the other, which end first, share one connection", async () => {
  const { world, server, client, dialer } = await start();
  await using _world = world;
  world.target(web, { port: 81 });
  for (let i = 0; i < 5; i++) {
    const program = await client.connect();
    const { body } = await world.clock.until(httpGet(program, `http://${TARGET_NAME}:81/${i}`));
    assert.equal(body, `GET /${i} HTTP/1.1`);
    await program[Symbol.asyncDispose]();
    await world.clock.settle();
  }
  assert.deepEqual([dialer.dialled.length, client.streams.open, server.streams.open], [1, 0, 1]);
  assert.deepEqual([...server.lines(), ...client.lines()], []);
});

Deno.test("programs at the same time have a connection each, and the next ones use them all again", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  await Promise.all([1, 2, 3, 4, 5].map((i) => once(world, client, i)));
  assert.equal(dialer.dialled.length, 5);
  await Promise.all([6, 7, 8, 9, 10].map((i) => once(world, client, i)));
  assert.equal(dialer.dialled.length, 5);
});

Deno.test("an idle connection is closed by the client after ten seconds, and nothing is left", async () => {
  const { world, server, client } = await start();
  await using _world = world;
  await once(world, client, 1);
  await world.clock.advance(CLIENT_KEEPS - 1);
  assert.equal(server.streams.open, 1);
  await world.clock.advance(1);
  assert.equal(server.streams.open, 0);
});

Deno.test("the next minute's connections go to the next minute's port", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  for (let i = 1; i <= 40; i++) {
    await once(world, client, i);
    await world.clock.advance(5_000);
  }
  // From second 20 on over 200 s: minutes 0 to 3, each on its own port.
  const ports = [0, 1, 2, 3].map((i) =>
    oldPort({ password: PASSWORD, cipher: "chacha20-poly1305", ...RANGE }, MINUTE + i)
  );
  assert.deepEqual(dialer.dialled, ports.map((port) => `${SERVER_HOST}:${port}`));
});

Deno.test("a connection is not used again after a reset, whoever it came from", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  world.target(async (stream) => {
    await read(stream, new Uint8Array(10));
    stream.reset();
  }, { port: 81 });
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, TARGET_NAME), 0);
    program.reset();
    await world.clock.settle();
    const other = await client.connect();
    assert.equal(await socks5(other, TARGET_NAME, 81), 0);
    await write(other, utf8("x"));
    assert.equal(await world.clock.until(ending(other)), "reset");
  }
  assert.equal(dialer.dialled.length, 6);
});

Deno.test("each way ends on its own over a connection that has been used, in either order", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  world.target(async (stream) => {
    await write(stream, utf8("first"));
    await stream.closeWrite();
    assert.deepEqual(await readExactly(stream, 4), utf8("then"));
  }, { port: 81 });
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, TARGET_NAME, 81), 0);
    assert.deepEqual(await world.clock.until(readExactly(program, 5)), utf8("first"));
    assert.equal(await ending(program), "FIN");
    await write(program, utf8("then"));
    await program.closeWrite();
    await world.clock.settle();
    await once(world, client, i + 1);
  }
  assert.equal(dialer.dialled.length, 1);
});

Deno.test("a target that refuses ends its connection, and costs the next program nothing but a dial", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  await once(world, client, 1);
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME, 99)), 5);
  await world.clock.settle();
  await once(world, client, 2);
  assert.equal(dialer.dialled.length, 2);
  assert.deepEqual(client.lines(), []);
});

Deno.test("where the server is another one, idle connections are known to be gone before they are used", async () => {
  const { world, server, client, dialer } = await start({ eager: true });
  await using _world = world;
  await Promise.all([1, 2, 3].map((i) => once(world, client, i)));
  const dials = dialer.dialled.length;
  await server.stop();
  world.server();
  await world.clock.settle();
  await once(world, client, 4); // what it says first may come once only
  assert.equal(dialer.dialled.length, dials + 1);
  assert.deepEqual(client.lines(), []);
});

/** A dialer of connections that lead nowhere any more as soon as it is told so. */
function mute(inner: Dialer) {
  const state = { isMute: false, dialled: 0 };
  const dialer: Dialer = dialBy(async (to, o) => {
    state.dialled++;
    const stream = await dial(inner, to, o);
    const writeNow = stream.writeNow.bind(stream);
    stream.writeNow = (bytes) => state.isMute ? bytes.length : writeNow(bytes);
    return stream;
  });
  return { state, dialer };
}

Deno.test("a connection that leads nowhere is given up after two seconds for a new one, and so are all", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { state, dialer } = mute(world.net.dialer("192.0.2.2"));
  const client = world.client({ dialer });
  world.target(echo);
  await world.clock.settle();
  await Promise.all([1, 2, 3].map((i) => once(world, client, i)));
  state.isMute = true;
  const began = world.clock.now();
  const asking = socks5(await client.connect(), TARGET_NAME);
  await world.clock.advance(AGAIN - 1);
  state.isMute = false; // the new one works
  assert.equal(await world.clock.until(asking), 0);
  assert.equal(world.clock.now() - began, AGAIN);
  await once(world, client, 4);
  assert.equal(state.dialled, 3 + 2);
  assert.deepEqual(client.lines(), []);
});

Deno.test("eager: words that went over a connection that leads nowhere are not sent again", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { state, dialer } = mute(world.net.dialer("192.0.2.2"));
  const client = world.client({ dialer, isEager: true });
  world.target(echo);
  await world.clock.settle();
  await once(world, client, 1);
  state.isMute = true;
  const program = await client.connect();
  assert.equal(await socks5(program, TARGET_NAME), 0);
  await write(program, utf8("once only"));
  await world.clock.advance(AGAIN - 1);
  state.isMute = false;
  assert.equal(await world.clock.until(ending(program)), "reset");
  assert.equal(state.dialled, 1);
});

Deno.test("a program that gives up while its request is under way closes the connection with it", async () => {
  await using world = new ProxyWorld();
  const server = world.server({
    dialer: dialBy((_, { signal }) => new Promise((_, no) => signal.addEventListener("abort", no))),
  });
  const client = world.client();
  await world.clock.settle();
  const program = await client.connect();
  httpConnect(program, TARGET_NAME).catch(() => {});
  await world.clock.settle();
  assert.deepEqual([client.streams.open, server.streams.open], [2, 1]);
  program.reset();
  await world.clock.settle();
  assert.equal(client.streams.open, 0);
});

Deno.test("a client out of descriptors closes connections that nobody uses", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client: ClientRun = world.client({
    direct: [TARGET_V4],
    dialer: dialBy(async (to, o) => {
      if (client.streams.open + dialled.filter((one) => !isClosed(one)).length >= 5) {
        throw new TtunError("exhausted", "There are no descriptors left");
      }
      const stream = await dial(world.net.dialer("192.0.2.2"), to, o);
      dialled.push(stream);
      return stream;
    }),
  });
  const dialled: Connection[] = [];
  world.names.set("there.example", ["8.0.0.11"]);
  world.target(echo);
  await world.clock.settle();
  const visit = async () => {
    const program = await client.connect();
    assert.equal(await world.clock.until(socks5(program, "there.example")), 0);
    return program;
  };
  const programs = [await visit(), await visit()];
  for (const program of programs) await exchange(program, utf8("x"));
  for (const program of programs) await program[Symbol.asyncDispose]();
  await world.clock.settle();
  const past: Connection[] = [];
  for (let i = 0; i < 2; i++) { // two for each, and two connections are idle
    const program = await client.connect();
    past.push(program);
    assert.equal(await world.clock.until(socks5(program, TARGET_V4)), 0, `${i}`);
  }
  assert.equal(dialled.slice(0, 2).some(isClosed), true);
});

Deno.test("a server that has the mark alone is ended by FIN, and dialled anew each time", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  const listener = world.net.listen({ host: "", port: PORT }, world);
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    const connecting = socks5(program, TARGET_V4);
    const hand = new Hand(await accept(listener, world));
    assert.deepEqual(await hand.receive(), GREETING);
    await hand.send(firstFrame({ isLasting: false }, Uint8Array.of(5, 0)));
    assert.deepEqual(await hand.receive(), request({ host: TARGET_V4, port: 80 }));
    await hand.send(frame(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)));
    assert.equal(await world.clock.until(connecting), 0);
    await write(program, utf8("words"));
    assert.deepEqual(await hand.receive(), utf8("words"));
    await program.closeWrite();
    assert.equal(await world.clock.until(hand.receive()), "FIN");
    await hand.stream.closeWrite();
    assert.equal(await ending(program), "FIN");
    await program[Symbol.asyncDispose]();
  }
});

Deno.test("a client that stops right behind a program's end has told it to the server", async () => {
  const { world, server, client } = await start();
  await using _world = world;
  const ends: string[] = [];
  world.target(async (stream) => {
    await stream.closeWrite();
    ends.push(await ending(stream));
  }, { port: 81 });
  await once(world, client, 1);
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME, 81)), 0);
  await program[Symbol.asyncDispose]();
  await world.clock.settle();
  assert.deepEqual(ends, []); // its end frame waits for another stream
  await client.stop();
  await world.clock.settle();
  assert.deepEqual([ends, server.lines()], [["FIN"], []]);
});
