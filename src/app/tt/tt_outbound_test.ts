import assert from "node:assert/strict";
import {
  type ClientRun,
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  SERVER_HOST,
  TARGET_NAME,
} from "../../../tests/fake/proxy.ts";
import {
  exchange,
  httpConnect,
  httpGet,
  socks5,
  socks5Reply,
  socks5Request,
  web,
} from "../../../tests/fake/proxy_programs.ts";
import { OldFrames } from "../../../tests/fake/tt_old.ts";
import { twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import { watched } from "../../../tests/fake/watched_dialer.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { accept, read, write } from "../loop/stream_io.ts";

const HOST = TARGET_NAME;

/** A connection through the tunnel that works; the virtual time that it took. */
async function works(world: ProxyWorld, client: ClientRun, limit = 60_000): Promise<number> {
  const began = world.clock.now();
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, HOST), limit), 0);
  const data = utf8(`at ${began}`);
  assert.deepEqual(await world.clock.until(exchange(program, data)), data);
  return world.clock.now() - began;
}

// Round trips.

Deno.test("the first connection is in lock-step; the next over its connection are one flight out, one back", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world);
  world.target((stream) => stream.closeWrite() as Promise<void> ?? Promise.resolve());
  await world.clock.settle();
  for (let i = 0; i < 4; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, HOST), 0);
    await program[Symbol.asyncDispose]();
    await world.clock.settle();
  }
  // The end of one goes out with the next, and that of the last one some milliseconds later.
  assert.deepEqual(dialer.flights, ["><><" + "><" + "><" + "><"]);
  await world.clock.advance(5);
  assert.deepEqual(dialer.flights, ["><><" + "><" + "><" + "><" + ">"]);
});

Deno.test("a new connection to a server that is known: one flight out, one back, and no more", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world);
  world.target(echo);
  await world.clock.settle();
  for (let i = 0; i < 3; i++) assert.equal(await socks5(await client.connect(), HOST), 0);
  assert.deepEqual(dialer.flights, ["><><", "><", "><"]);
});

Deno.test("a server is known by its first words, though the target is silent", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world);
  world.target(echo);
  world.names.set("silent.example", ["8.0.0.99"]);
  world.net.cable("8.0.0.99").pull();
  await world.clock.settle();
  const waiting = socks5(await client.connect(), "silent.example");
  await world.clock.settle();
  assert.equal(await socks5(await client.connect(), HOST), 0);
  assert.deepEqual(dialer.flights, ["><>", "><"]);
  assert.notEqual(await world.clock.until(waiting), 0);
});

Deno.test("a request that may come twice is in the first flight, and its answer in the next", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world);
  world.target(web);
  await world.clock.settle();
  const path = "/long".repeat(500); // in several frames
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    const { body } = await httpGet(program, `http://${HOST}${path}`);
    assert.equal(body, `GET ${path} HTTP/1.1`);
  }
  assert.deepEqual(dialer.flights, ["><><><", "><", "><"]);
});

Deno.test("eager: what a program says first is in the first flight, and its answer in the next", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world, { isEager: true });
  world.target(echo);
  await world.clock.settle();
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, HOST), 0);
    const words = utf8("any words, which may come once only");
    await write(program, words);
    assert.deepEqual(await readExactly(program, words.length), words);
  }
  assert.deepEqual(dialer.flights, ["><><><", "><", "><"]);
});

Deno.test("what may not come twice waits until the target is connected", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = watched(world);
  world.target(async (stream) => {
    await write(stream, concat(utf8("got "), await readExactly(stream, 5)));
  });
  await world.clock.settle();
  for (let i = 0; i < 2; i++) {
    const program = await client.connect();
    await write(program, concat(Uint8Array.of(5, 1, 0), socks5Request(HOST, 80), utf8("early")));
    await readExactly(program, 2);
    assert.equal(await socks5Reply(program), 0);
    assert.deepEqual(await readExactly(program, 9), utf8("got early"));
  }
  assert.deepEqual(dialer.flights, ["><><><", "><><"]);
});

Deno.test("an existing server is in lock-step always", async () => {
  await using world = new ProxyWorld();
  world.oldServer();
  const { client, dialer } = watched(world);
  world.target(async (stream) => void await read(stream, new Uint8Array(1)));
  await world.clock.settle();
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, HOST), 0);
    await program[Symbol.asyncDispose]();
  }
  await world.clock.settle();
  assert.deepEqual(dialer.flights, ["><><", "><><", "><><"]);
});

// A server that is another one now.

Deno.test("a server of ours that is replaced by an existing one: not one connection is lost", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const { client, dialer } = watched(world);
  world.target(echo);
  await world.clock.settle();
  await works(world, client);
  await works(world, client);
  await server.stop();
  const old = world.oldServer();
  assert.ok(await works(world, client) < 1000);
  assert.ok(await works(world, client) < 1000);
  assert.deepEqual(dialer.flights.slice(0, 2).map((way) => way.slice(0, 2)), ["><", "><"]);
  assert.equal(dialer.dialled.length, 1 + 2 + 1); // two over one connection, then one of them twice
  await old.close();
  world.server();
  await works(world, client);
  await works(world, client);
  await world.clock.settle();
  assert.equal(dialer.dialled.length, 5); // over one connection again
  assert.deepEqual(client.lines(), []);
});

Deno.test("a request that went early to an existing server is asked again, and answered", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const { client } = watched(world);
  world.target(web);
  await world.clock.settle();
  const get = async (path: string) => {
    const program = await client.connect();
    return (await world.clock.until(httpGet(program, `http://${HOST}${path}`))).body;
  };
  assert.equal(await get("/1"), "GET /1 HTTP/1.1");
  assert.equal(await get("/2"), "GET /2 HTTP/1.1");
  await server.stop();
  world.oldServer();
  assert.equal(await get("/3"), "GET /3 HTTP/1.1");
  assert.equal(world.clock.now(), 0);
});

Deno.test("once the server has answered, its silence is the target's, and nothing is asked twice", async () => {
  await using world = new ProxyWorld();
  const { client, dialer } = watched(world);
  let connections = 0;
  const keys = twinKeys("chacha20-poly1305", PASSWORD, MINUTE);
  const port = portOfNow();
  const listener = world.net.listen({ host: "", port }, world);
  const serve = async () => {
    for (;;) {
      const stream = await accept(listener, world);
      connections++;
      const frames = new OldFrames(stream, keys, world.rng());
      await frames.receive();
      await frames.send(Uint8Array.of(5, 0)); // and never a word more
    }
  };
  serve().catch(() => {});
  const program = await client.connect();
  const code = await world.clock.until(socks5(program, HOST));
  assert.equal(code, 6); // timeout
  assert.equal(world.clock.now(), 20_000);
  assert.deepEqual([connections, dialer.dialled], [1, [`${SERVER_HOST}:${port}`]]);
});

/** 20000-30000, "correct horse battery staple", the world's first minute. */
function portOfNow(): number {
  return 20_000 + twinKeys("chacha20-poly1305", PASSWORD, MINUTE).otp % 10_000;
}

// No way to the server.

for (const [protocol, code] of [["SOCKS5", 1], ["HTTP", 503]] as const) {
  const ask = (program: Connection) =>
    protocol === "HTTP" ? httpConnect(program, HOST) : socks5(program, HOST);

  Deno.test(`another key: ${protocol} says no, and the log says what may be wrong`, async () => {
    await using world = new ProxyWorld();
    world.server({ range: { first: 4000, last: 4000 } });
    const client = world.client({ range: { first: 4000, last: 4000 }, password: "wrong" });
    await world.clock.settle();
    const program = await client.connect();
    assert.equal(await world.clock.until(ask(program)), code);
    assert.equal(world.clock.now(), 5600); // three minutes' keys, one 0.3 s after the other
    assert.deepEqual(client.lines(), ["warn no way to the server"]);
    const why = String(client.fields("no way to the server")[0]!["why"]);
    assert.match(why, /another key.*clocks/);
    assert.doesNotMatch(why, /password/);
    await program.closeWrite();
    await world.clock.advance(2000);
    assert.equal(client.streams.open, 0);
  });

  Deno.test(`nobody there: ${protocol} says no at once`, async () => {
    await using world = new ProxyWorld();
    const { client, dialer } = watched(world);
    await world.clock.settle();
    assert.equal(await ask(await client.connect()), code);
    assert.equal(world.clock.now(), 0);
    assert.equal(dialer.dialled.length, 3);
    assert.match(String(client.fields("no way to the server")[0]!["why"]), /refused/);
  });
}

Deno.test("a host that is silent is given up 5 s after the last minute was tried", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  world.net.cable(SERVER_HOST).pull();
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), HOST)), 1);
  assert.equal(world.clock.now(), 5600);
  const why = String(client.fields("no way to the server")[0]!["why"]);
  assert.match(why, /no answer within 5 s .*firewall.*--port-range.*another key/);
});

Deno.test("a server's name that does not resolve is asked for once", async () => {
  await using world = new ProxyWorld();
  const { client, dialer } = watched(world, { server: "no-server.example" });
  await world.clock.settle();
  assert.equal(await socks5(await client.connect(), HOST), 1);
  assert.deepEqual(dialer.dialled, []);
  assert.match(String(client.fields("no way to the server")[0]!["why"]), /does not resolve/);
});

Deno.test("a server that hangs up without a word is told of as what it is", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  const listener = world.net.listen({ host: "", port: portOfNow() }, world);
  const serve = async () => {
    for (;;) {
      const stream = await accept(listener, world);
      await read(stream, new Uint8Array(1000));
      await stream[Symbol.asyncDispose]();
    }
  };
  serve().catch(() => {});
  assert.equal(await world.clock.until(socks5(await client.connect(), HOST)), 1);
  const why = String(client.fields("no way to the server")[0]!["why"]);
  assert.match(why, /hung up without a word: another key/);
});

Deno.test("no way to the server is not said as often as programs ask", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  await world.clock.settle();
  for (let i = 0; i < 100; i++) {
    await (i % 2 === 0 ? socks5 : httpConnect)(await client.connect(), HOST);
  }
  assert.equal(client.lines().length, 10);
});

// The server's own frames sent back, and recorded ones.

Deno.test("a client's own first frame, or one of the server's again, is no answer", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  const keys = twinKeys("chacha20-poly1305", PASSWORD, MINUTE);
  const answer = twinSeal(keys, new Uint8Array(20), Uint8Array.of(5, 0));
  let turn = 0;
  const listener = world.net.listen({ host: "", port: portOfNow() }, world);
  const serve = async () => {
    for (;;) {
      const stream = await accept(listener, world);
      const into = new Uint8Array(1000);
      const got = await read(stream, into);
      await write(stream, turn++ === 0 ? into.slice(0, got!) : answer);
    }
  };
  serve().catch(() => {});
  const ask = async () => {
    const program = await client.connect();
    const code = await world.clock.until(socks5(program, HOST));
    return [code, client.fields("no way to the server").at(-1)?.["why"]];
  };
  assert.deepEqual(await ask(), [
    1,
    "Cannot trust the server: its first frame is not new (known)",
  ]);
  assert.equal((await ask())[0], 6); // a first frame that is new, and then silence
  assert.match(String((await ask())[1]), /not new \(known\)/);
});

// Clocks that differ.

for (const range of [{ first: 20_000, last: 30_000 }, { first: 4000, last: 4000 }]) {
  const ports = range.first === range.last ? "one port" : "many ports";
  for (const minutes of [-2, -1, 0, 1, 2]) {
    Deno.test(`a server whose clock is ${minutes} min ahead, on ${ports}: found, told of once, remembered`, async () => {
      await using world = new ProxyWorld();
      world.server({ range, skewMs: 60_000 * minutes });
      const { client, dialer } = watched(world, { range });
      world.target(echo);
      await world.clock.settle();
      const first = await works(world, client);
      const dials = dialer.dialled.length;
      for (let i = 0; i < 3; i++) assert.equal(await works(world, client), 0);
      assert.equal(dialer.dialled.length, dials); // over the same connection
      // Silence costs 0.3 s, a refusal nothing.
      const isSilent = range.first === range.last && minutes === -2;
      assert.equal(first, isSilent ? 300 : 0);
      if (isSilent) await world.clock.advance(5000);
      const isFarOff = dials > 1;
      assert.deepEqual(client.lines(), isFarOff ? ["warn the clocks differ"] : []);
      if (isFarOff) {
        const side = minutes > 0 ? "ahead" : "behind";
        const { server_is } = client.fields("the clocks differ")[0]!;
        assert.equal(server_is, `more than 1 min ${side}`);
      }
      // The rest of the hour.
      for (let i = 0; i < 60; i++) {
        await world.clock.advance(59_000);
        assert.ok(await works(world, client) <= 300);
      }
      assert.ok(client.lines().length <= 2, client.lines().join());
    });
  }
}

Deno.test("many connections that find the clocks differ at once say so once", async () => {
  await using world = new ProxyWorld();
  world.server({ skewMs: 120_000 });
  const client = world.client();
  world.target(echo);
  await world.clock.settle();
  await Promise.all(Array.from({ length: 20 }, () => works(world, client)));
  assert.deepEqual(client.lines(), ["warn the clocks differ"]);
});

Deno.test("a clock that is put right is followed, however far off it had got", async () => {
  await using world = new ProxyWorld();
  world.target(echo);
  const client = world.client();
  let server = world.server({ skewMs: 0 });
  await world.clock.settle();
  await works(world, client);
  for (let minutes = 1; minutes <= 6; minutes++) { // it runs away, by a minute at a time
    await server.stop();
    server = world.server({ skewMs: 60_000 * minutes });
    await world.clock.settle();
    await works(world, client);
  }
  await server.stop();
  world.server();
  await world.clock.settle();
  await works(world, client);
  assert.equal(await works(world, client), 0);
});

Deno.test("a clock that is too far off is no way to the server", async () => {
  await using world = new ProxyWorld();
  world.server({ skewMs: 600_000 });
  const client = world.client();
  await world.clock.settle();
  assert.equal(await world.clock.until(socks5(await client.connect(), HOST)), 1);
  assert.deepEqual(client.lines(), ["warn no way to the server"]);
});
