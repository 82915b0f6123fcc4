import assert from "node:assert/strict";
import {
  CLIENT_HOST,
  type ClientOptions,
  echo,
  ProxyWorld,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
  TARGET_V6,
} from "../../../tests/fake/proxy.ts";
import {
  exchange,
  httpConnect,
  httpGet,
  socks4,
  socks5,
  socks5Reply,
  socks5Request,
  web,
} from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Addr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { CipherName } from "../../contract/cipher.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** The servers that a client meets, and how much of a transfer is no waste of time. */
const SERVERS = {
  "our server": (world: ProxyWorld, cipher: CipherName) => void world.server({ cipher }),
  "an existing server": (world: ProxyWorld, cipher: CipherName) => void world.oldServer({ cipher }),
};

const LOGIN = { user: "somebody", password: "known here" };

const checkLogin: NonNullable<ClientOptions["auth"]> = (user, password) =>
  new TextDecoder().decode(user) === LOGIN.user &&
  new TextDecoder().decode(password) === LOGIN.password;

const NAME = TARGET_NAME;

/** Asks for a connection; whether there is one. */
const PROTOCOLS: [string, (stream: Connection) => Promise<boolean>][] = [
  ["SOCKS4", async (stream) => await socks4(stream, TARGET_V4) === 90],
  ["SOCKS4a", async (stream) => await socks4(stream, NAME) === 90],
  ["SOCKS5 to IPv4", async (stream) => await socks5(stream, TARGET_V4) === 0],
  ["SOCKS5 to IPv6", async (stream) => await socks5(stream, TARGET_V6) === 0],
  ["SOCKS5 to a name", async (stream) => await socks5(stream, NAME) === 0],
  ["HTTP CONNECT", async (stream) => await httpConnect(stream, NAME) === 200],
];

for (const [kind, start] of Object.entries(SERVERS)) {
  for (const [protocol, ask] of PROTOCOLS) {
    Deno.test(`${protocol} through ${kind}: bytes both ways, on the first connection and the next`, async () => {
      await using world = new ProxyWorld();
      start(world, "chacha20-poly1305");
      const client = world.client();
      world.target(async (stream) => {
        const question = await readExactly(stream, 50_000);
        await write(stream, concat(question, utf8("!")));
        await readExactly(stream, 1);
      });
      await world.clock.settle();
      for (let i = 1; i <= 3; i++) {
        const program = await client.connect();
        assert.ok(await ask(program));
        const data = pattern(50_000, i);
        const answer = readExactly(program, data.length + 1);
        await write(program, data);
        assert.deepEqual(await answer, concat(data, utf8("!")));
        await program[Symbol.asyncDispose]();
      }
      assert.equal(world.clock.now(), 0); // nothing had to wait for a time-out
      assert.deepEqual(client.lines(), []);
    });
  }

  Deno.test(`HTTP GET through ${kind}: one connection after the other, and the target sees its own form`, async () => {
    await using world = new ProxyWorld();
    start(world, "aes-256-gcm");
    const client = world.client({ cipher: "aes-256-gcm" });
    world.names.set("other.example", ["8.0.0.11"]);
    world.target(web, { host: TARGET_V4 });
    world.target(web, { host: "8.0.0.11", port: 8080 });
    await world.clock.settle();
    const program = await client.connect();
    for (
      const [url, line] of [
        [`http://${NAME}/a?b`, "GET /a?b HTTP/1.1"],
        [`http://${NAME}/c`, "GET /c HTTP/1.1"],
        ["http://other.example:8080/d", "GET /d HTTP/1.1"],
      ] as const
    ) {
      assert.deepEqual(await httpGet(program, url), { status: 200, body: line });
    }
    assert.deepEqual(await exchange(program, new Uint8Array()), new Uint8Array());
  });
}

Deno.test("an existing server hears SOCKS5 only, in frames that it has room for", async () => {
  await using world = new ProxyWorld();
  const old = world.oldServer();
  const client = world.client();
  world.target(web);
  world.target(echo, { port: 7 });
  await world.clock.settle();
  const get = await client.connect();
  await httpGet(get, `http://${NAME}/`);
  const bulk = await client.connect();
  assert.equal(await socks5(bulk, TARGET_V4, 7), 0);
  const data = pattern(300_000);
  const back = readExactly(bulk, data.length);
  await write(bulk, data);
  assert.deepEqual(await back, data);
  for (const program of [get, bulk]) await program[Symbol.asyncDispose]();
  await world.clock.settle();
  assert.deepEqual(old.firstTexts, [Uint8Array.of(5, 1, 0), Uint8Array.of(5, 1, 0)]);
  assert.ok(old.longestFrame <= 4096);
});

Deno.test("through our server each way ends on its own, and a reset is a reset", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client();
  const targets: Connection[] = [];
  world.target(async (stream) => {
    targets.push(stream);
    await echo(stream);
  });
  await world.clock.settle();
  const half = await client.connect();
  await socks5(half, NAME);
  assert.deepEqual(await exchange(half, pattern(200_000)), pattern(200_000));

  const byTarget = await client.connect();
  await socks5(byTarget, NAME);
  targets.at(-1)!.reset();
  await assert.rejects(async () => await read(byTarget, new Uint8Array(1)), { kind: "lost" });

  const byProgram = await client.connect();
  await socks5(byProgram, NAME);
  byProgram.reset();
  await world.clock.settle();
  assert.throws(() => targets.at(-1)!.readNow(new Uint8Array(1)), { kind: "lost" });
  assert.equal(client.streams.open, 0);
});

for (const kind of Object.keys(SERVERS) as (keyof typeof SERVERS)[]) {
  Deno.test(`what a target's failure is called, through ${kind}`, async () => {
    await using world = new ProxyWorld();
    SERVERS[kind](world, "chacha20-poly1305");
    const client = world.client();
    await world.clock.settle();
    const isOurs = kind === "our server";
    const over = async (ask: (stream: Connection) => Promise<number>) => {
      const program = await client.connect();
      const code = await ask(program);
      await exchange(program, new Uint8Array()); // an HTTP answer has words; then comes the end
      return code;
    };
    // Existing servers have one code for what is refused, and none for a name.
    for (let i = 0; i < 2; i++) {
      assert.equal(await over((stream) => socks5(stream, "8.0.0.99")), isOurs ? 5 : 1);
      assert.equal(await over((stream) => socks5(stream, "nowhere.example")), isOurs ? 4 : 1);
      assert.equal(await over((stream) => socks4(stream, "8.0.0.99")), 91);
      assert.equal(await over((stream) => httpConnect(stream, "8.0.0.99")), 502);
    }
    if (isOurs) assert.equal(await over((stream) => socks5(stream, "10.0.0.1")), 2);
    await world.clock.settle();
    assert.deepEqual(client.lines(), []);
    assert.equal(client.streams.open, 0);
  });
}

Deno.test("where the client wants a password, only who shows it is served", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ auth: checkLogin });
  world.target(echo);
  world.target(web, { port: 8080 });
  await world.clock.settle();
  const good = await client.connect();
  assert.equal(await socks5(good, NAME, 80, LOGIN), 0);
  assert.deepEqual(await exchange(good, utf8("hello")), utf8("hello"));

  const basic = (text: string) => `Proxy-Authorization: Basic ${btoa(text)}\r\n`;
  const browser = await client.connect();
  const url = `http://${NAME}:8080/`;
  assert.equal((await httpGet(browser, url)).status, 407);
  assert.equal((await httpGet(browser, url, basic("somebody:guessed"))).status, 407);
  const next = await client.connect(); // a wrong password ends a connection
  assert.equal((await httpGet(next, url, basic("somebody:known here"))).status, 200);

  assert.equal(await socks5(await client.connect(), NAME, 80, { ...LOGIN, password: "x" }), 0xff);
  assert.equal(await socks5(await client.connect(), NAME), 0xff); // none of its methods
  assert.equal(await socks4(await client.connect(), TARGET_V4), 91);
});

Deno.test("an address guesses passwords slowly, whatever the number of its connections", async () => {
  await using world = new ProxyWorld();
  world.server();
  let guesses = 0;
  const client = world.client({
    auth: (user, password) => {
      guesses++;
      return checkLogin(user, password);
    },
  });
  world.target(echo);
  await world.clock.settle();
  const answers: number[] = [];
  const guess = async (password: string) => {
    const stream = await client.connect();
    answers.push(await socks5(stream, NAME, 80, { ...LOGIN, password }));
  };
  const all = Promise.allSettled(Array.from({ length: 200 }, (_, i) => guess(`guess ${i}`)));
  await world.clock.settle();
  assert.ok(guesses <= 4, `${guesses} at once`);
  await world.clock.advance(10_000);
  assert.ok(guesses <= 15, `${guesses} after ten seconds`);
  await world.clock.advance(120_000);
  await all;
  assert.ok(answers.every((answer) => answer !== 0));
  const right = await client.connect();
  assert.equal(await socks5(right, NAME, 80, LOGIN), 0);
});

Deno.test("a connection that has shown the right password goes on while others of its address guess", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ auth: checkLogin });
  world.target(web);
  world.target(echo, { port: 81 });
  await world.clock.settle();
  const browser = await client.connect();
  const right = `Proxy-Authorization: Basic ${btoa(`${LOGIN.user}:${LOGIN.password}`)}\r\n`;
  assert.equal((await httpGet(browser, `http://${NAME}/a`, right)).status, 200);
  for (let i = 0; i < 10; i++) {
    const guessing = await client.connect();
    socks5(guessing, NAME, 81, { ...LOGIN, password: `guess ${i}` }).catch(() => {}); // it waits
  }
  await world.clock.settle();
  assert.equal((await httpGet(browser, `http://${NAME}/b`, right)).status, 200);
  await world.clock.advance(60_000); // those that wait go their way
});

Deno.test("what is to go past the tunnel is connected to from here, names and networks", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const client = world.client({ direct: ["inside.example", "10.0.0.0/8"] });
  world.names.set("www.inside.example", ["10.0.0.5"]);
  const peers: Addr[] = [];
  const noted = (serve: (stream: Connection) => Promise<void>) => async (stream: Connection) => {
    peers.push(stream.remote);
    await serve(stream);
  };
  world.target(noted(echo));
  world.target(noted(web), { port: 8080 });
  await world.clock.settle();
  for (const host of ["www.inside.example", "10.9.9.9"]) {
    const program = await client.connect();
    assert.equal(await socks5(program, host), 0);
    assert.deepEqual(await exchange(program, utf8("direct")), utf8("direct"));
  }
  const browser = await client.connect();
  const { status } = await httpGet(browser, "http://www.inside.example:8080/");
  assert.equal(status, 200);
  assert.deepEqual(peers.map((addr) => "host" in addr && addr.host), Array(3).fill(CLIENT_HOST));
  assert.deepEqual(server.fields("connect"), []);

  const tunnelled = await client.connect();
  assert.equal(await socks5(tunnelled, NAME), 0);
  assert.equal("host" in peers[3]! && peers[3].host, SERVER_HOST);

  const refused = await client.connect();
  assert.equal(await socks5(refused, "10.9.9.9", 81), 5);
});

Deno.test("a program may send everything at once, and nothing of it is lost", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client();
  world.target(echo);
  await world.clock.settle();
  const data = pattern(20_000);
  for (let i = 0; i < 3; i++) {
    const all = concat(Uint8Array.of(5, 1, 0), socks5Request(NAME, 80), data);
    for (const cut of [0, 1, 3, 5, 10, 30, 600, 1500]) {
      const program = await client.connect();
      await write(program, all.subarray(0, cut));
      await world.clock.settle();
      const rest = exchange(program, all.subarray(cut));
      const answer = await rest;
      assert.deepEqual([...answer.subarray(0, 4)], [5, 0, 5, 0]);
      assert.deepEqual(answer.slice(-data.length), data);
    }
  }
});

Deno.test("over sockets that take seven bytes at a time everything is as ever", async () => {
  await using world = new ProxyWorld({ capacity: 7 });
  const server = world.server();
  const client = world.client();
  world.target(web);
  world.target(echo, { port: 7 });
  await world.clock.settle();
  for (let i = 0; i < 2; i++) {
    const data = pattern(2000, i + 1);
    const bulk = await client.connect();
    assert.equal(await socks5(bulk, NAME, 7), 0);
    assert.deepEqual(await exchange(bulk, data), data);
    const tunnel = await client.connect();
    assert.equal(await httpConnect(tunnel, TARGET_V6, 7), 200);
    assert.deepEqual(await exchange(tunnel, data), data);
    const get = await client.connect();
    assert.deepEqual((await httpGet(get, `http://${NAME}/`)).body, "GET / HTTP/1.1");
    assert.equal((await httpGet(get, `http://${NAME}:81/`)).status, 502);
    await get.closeWrite();
    assert.equal(await socks5(await client.connect(), NAME, 81), 5);
    assert.equal(await socks4(await client.connect(), NAME, 81), 91);
  }
  await world.clock.advance(2000); // those that are refused linger
  assert.deepEqual([client.streams.open, server.streams.open], [0, 0]);
});

Deno.test("a program that says nothing, or not enough, is closed after 30 s", async () => {
  for (
    const words of ["", "\x05", "\x05\x01\x00\x05\x01", "\x04\x01", "GET http://x", "CONNECT "]
  ) {
    await using world = new ProxyWorld();
    world.server();
    const client = world.client();
    await world.clock.settle();
    const program = await client.connect();
    if (words !== "") await write(program, utf8(words));
    await world.clock.advance(29_999);
    assert.equal(client.streams.open, 1, JSON.stringify(words));
    await world.clock.advance(1);
    assert.equal(client.streams.open, 0, JSON.stringify(words));
  }
});

Deno.test("what is neither SOCKS nor HTTP is closed at once, and told of", async () => {
  for (const bytes of [Uint8Array.of(22, 3, 1), Uint8Array.of(0), Uint8Array.of(6, 1, 0)]) {
    await using world = new ProxyWorld();
    const client = world.client();
    await world.clock.settle();
    const program = await client.connect();
    await write(program, bytes);
    await world.clock.settle();
    assert.equal(program.stats().peerClosed, true);
    assert.deepEqual(client.lines(), ["warn connection ended"]);
  }
});

Deno.test("commands that a proxy does not have are refused by their code", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  await world.clock.settle();
  for (const command of [2, 3]) {
    const program = await client.connect();
    await write(program, Uint8Array.of(5, 1, 0));
    await readExactly(program, 2);
    await write(program, Uint8Array.of(5, command, 0, 1, 8, 0, 0, 1, 0, 80));
    assert.equal(await socks5Reply(program), 7);
    assert.equal(await read(program, new Uint8Array(1)), null);
  }
  const bind = await client.connect();
  await write(bind, Uint8Array.of(4, 2, 0, 80, 8, 0, 0, 1, 0));
  assert.equal((await readExactly(bind, 8))[1], 91);
});

Deno.test("above its places a client takes nobody, and pending ones have their own", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ limits: { total: 2 } });
  world.target(echo);
  await world.clock.settle();
  const [a, b] = [await client.connect(), await client.connect()];
  for (const program of [a, b]) assert.equal(await socks5(program, NAME), 0);
  await assert.rejects(socks5(await client.connect(), NAME));
  a.reset();
  await world.clock.settle();
  assert.equal(await socks5(await client.connect(), NAME), 0);
});

Deno.test("--mtu holds for whatever is sent to either kind of server, a long request too", async () => {
  for (const start of Object.values(SERVERS)) {
    for (const mostText of [1, 100, 1440]) {
      await using world = new ProxyWorld();
      start(world, "chacha20-poly1305");
      const inner = world.net.dialer(CLIENT_HOST);
      let sent = 0;
      const client = world.client({
        mostText,
        dialer: dialBy(async (to, o) => {
          const stream = await dial(inner, to, o);
          const writeNow = stream.writeNow.bind(stream);
          stream.writeNow = (bytes) => {
            const done = writeNow(bytes);
            sent += done;
            return done;
          };
          return stream;
        }),
      });
      world.target(web);
      await world.clock.settle();
      const path = "/x".repeat(2000);
      for (let i = 0; i < 2; i++) {
        sent = 0;
        const program = await client.connect();
        const { body } = await httpGet(program, `http://${NAME}${path}`);
        assert.equal(body, `GET ${path} HTTP/1.1`);
        await program[Symbol.asyncDispose]();
        assert.ok(sent > 4000 + 31 * Math.floor(4000 / mostText), `${sent} bytes`);
      }
    }
  }
});
