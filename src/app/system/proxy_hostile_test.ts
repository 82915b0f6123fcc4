import assert from "node:assert/strict";
import fc from "fast-check";
import {
  echo,
  MINUTE,
  PASSWORD,
  type ProxyRun,
  ProxyWorld,
  RANGE,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import {
  exchange,
  httpConnect,
  socks5,
  socks5Request,
  web,
} from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { OldFrames, oldPort } from "../../../tests/fake/tt_old.ts";
import { twinKeys } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { accept, read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";

const OPTIONS = { password: PASSWORD, cipher: "chacha20-poly1305" as const, ...RANGE };
const PORT = oldPort(OPTIONS, MINUTE);
const KEYS = twinKeys(OPTIONS.cipher, PASSWORD, MINUTE);

const GET = utf8(`GET http://${TARGET_NAME}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
const POST = utf8(
  `POST http://${TARGET_NAME}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody`,
);
const CONNECT = utf8(`CONNECT ${TARGET_NAME}:80 HTTP/1.1\r\nHost: x\r\n\r\n`);
const GREETING = Uint8Array.of(5, 1, 0);

/** Beginnings that get somewhere, whole or spoilt in one place, and noise. */
const words = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc.tuple(
    fc.constantFrom(
      GREETING,
      socks5Request(TARGET_NAME, 80),
      socks5Request(TARGET_V4, 80),
      socks5Request("10.0.0.1", 80),
      socks5Request("nowhere.example", 1),
      Uint8Array.of(4, 1, 0, 80, 8, 0, 0, 10, 0),
      Uint8Array.of(5, 0),
      Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(5, 1),
      GET,
      POST,
      CONNECT,
    ),
    fc.option(fc.record({ at: fc.nat(200), to: fc.nat(255) }), { freq: 2 }),
    fc.nat(300),
  ).map(([bytes, change, length]) => {
    const some = bytes.slice(0, Math.max(1, length > 250 ? length % bytes.length : bytes.length));
    if (change !== null) some[change.at % some.length] = change.to;
    return some;
  }),
);
const talk = fc.array(words, { maxLength: 6 });
const ending = fc.constantFrom("fin", "reset", "silence");

/** Says all of it, and ends as told; whatever comes back is read. */
async function say(
  world: ProxyWorld,
  stream: Connection,
  parts: readonly Uint8Array[],
  how: string,
): Promise<void> {
  const reading = (async () => {
    const into = new Uint8Array(1000);
    while (await read(stream, into) !== null);
  })();
  reading.catch(() => {});
  try {
    for (const part of parts) {
      await write(stream, part);
      await world.clock.settle();
    }
    if (how === "fin") await stream.closeWrite();
    if (how === "reset") stream.reset();
  } catch {
    // it has been closed: that is an answer too
  }
}

/** Checks that a program lives on, has logged no bug, and holds nothing in the end. */
async function isUnharmed(world: ProxyWorld, runs: readonly ProxyRun[]): Promise<void> {
  await world.clock.advance(200_000);
  for (const run of runs) {
    assert.equal(run.streams.open, 0, "streams are still open");
    assert.deepEqual(run.lines().filter((line) => line.startsWith("error")), []);
    let isOver = false;
    run.ended.then(() => isOver = true);
    await world.clock.settle();
    assert.equal(isOver, false, "the program has ended");
  }
}

const LIMITS = { idleMs: 60_000 };

Deno.test("whatever a client with the password says, the server lives on and keeps nothing", async () => {
  await fc.assert(
    fc.asyncProperty(talk, ending, fc.boolean(), async (texts, how, isDamaged) => {
      await using world = new ProxyWorld();
      const server = world.server({ limits: LIMITS });
      world.target(web);
      await world.clock.settle();
      const stream = await dial(
        world.net.dialer("198.51.100.7"),
        { host: SERVER_HOST, port: PORT },
        { signal: world.signal },
      );
      const frames = new OldFrames(stream, KEYS, world.rng());
      const sealed = texts.map((text) => frames.seal(text));
      if (isDamaged && sealed.length > 0) sealed.at(-1)![40 % sealed.at(-1)!.length]! ^= 1;
      await say(world, stream, sealed, how);
      await isUnharmed(world, [server]);
    }),
    { numRuns: 120 },
  );
});

Deno.test("whatever a program says, the client lives on and keeps nothing", async () => {
  await fc.assert(
    fc.asyncProperty(talk, ending, async (parts, how) => {
      await using world = new ProxyWorld();
      const server = world.server({ limits: LIMITS });
      const client = world.client({ limits: LIMITS });
      world.target(web);
      await world.clock.settle();
      await say(world, await client.connect(), parts, how);
      await isUnharmed(world, [client, server]);
    }),
    { numRuns: 120 },
  );
});

Deno.test("whatever a server says, the client lives on, keeps nothing, and its program hears an end", async () => {
  const answers = fc.array(fc.oneof(words, fc.uint8Array({ minLength: 1, maxLength: 3000 })), {
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(
      answers,
      ending,
      fc.boolean(),
      fc.boolean(),
      async (texts, how, isKeyed, isHttp) => {
        await using world = new ProxyWorld();
        const client = world.client({ limits: LIMITS });
        for (let minute = MINUTE - 1; minute <= MINUTE + 1; minute++) {
          const listener = world.net.listen({ host: "", port: oldPort(OPTIONS, minute) }, world);
          const keys = twinKeys(OPTIONS.cipher, PASSWORD, minute);
          const serve = async () => {
            for (;;) {
              const stream = await accept(listener, world);
              const frames = new OldFrames(stream, keys, world.rng());
              const parts = isKeyed ? texts.map((text) => frames.seal(text)) : texts;
              say(world, stream, parts, how);
            }
          };
          serve().catch(() => {});
        }
        await world.clock.settle();
        const program = await client.connect();
        let isOver = false;
        const asking = isHttp ? httpConnect(program, TARGET_NAME) : socks5(program, TARGET_NAME);
        asking.then(() => exchange(program, utf8("hello"))).catch(() => {}).then(() =>
          isOver = true
        );
        await isUnharmed(world, [client]);
        assert.equal(isOver, true);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("hundreds of connections that end in every way leave nothing behind", async () => {
  await using world = new ProxyWorld();
  const server = world.server({ limits: LIMITS });
  const client = world.client({ limits: LIMITS });
  world.target(echo);
  await world.clock.settle();
  for (let i = 0; i < 500; i++) {
    const program = await client.connect();
    const asking = i % 2 === 0 ? socks5(program, TARGET_NAME) : httpConnect(program, TARGET_NAME);
    if (i % 5 === 0) {
      asking.catch(() => {});
      program.reset();
      continue;
    }
    await asking;
    if (i % 5 === 1) program.reset();
    if (i % 5 === 2) await program.closeWrite();
    if (i % 5 === 3) await program[Symbol.asyncDispose]();
    if (i % 5 === 4) assert.deepEqual(await exchange(program, utf8("x")), utf8("x"));
  }
  await world.clock.advance(10_000); // idle connections are kept so long
  assert.deepEqual([client.streams.open, server.streams.open], [0, 0]);
  assert.equal(world.ciphers.made < 20, true);
});

Deno.test("Ctrl-C ends everything at once, in whatever state it is", async () => {
  await using world = new ProxyWorld({ capacity: 2000 });
  const server = world.server();
  const client = world.client();
  world.names.set("silent.example", ["8.0.0.66"]);
  world.net.cable("8.0.0.66").pull();
  world.target(echo);
  world.target(async (stream) => { // never reads
    await new Promise<void>((resolve) => {
      world.signal.addEventListener("abort", () => resolve());
    });
    stream.reset();
  }, { port: 81 });
  await world.clock.settle();

  const ignore = (work: Promise<unknown>) => void work.catch(() => {});
  const programs: Connection[] = [];
  const start = async (use: (program: Connection) => Promise<unknown>) => {
    const program = await client.connect();
    programs.push(program);
    ignore(use(program));
    await world.clock.settle();
  };
  await start(() => Promise.resolve()); // silent
  await start(async (program) => await write(program, Uint8Array.of(5, 1))); // half a greeting
  await start((program) => socks5(program, "silent.example")); // being connected
  await start((program) => httpConnect(program, "silent.example"));
  await start((program) => socks5(program, TARGET_NAME)); // idle
  await start(async (program) => await write(program, GET)); // a request that is not answered
  await start(async (program) => { // held back
    await socks5(program, TARGET_NAME, 81);
    await write(program, pattern(1_000_000));
  });
  await start((program) => socks5(program, "nowhere.example")); // refused, lingering
  const strangers = [];
  for (const bytes of [concat(), Uint8Array.of(1), pattern(1000)]) {
    const stream = await dial(
      world.net.dialer("198.51.100.66"),
      { host: SERVER_HOST, port: PORT },
      { signal: world.signal },
    );
    if (bytes.length > 0) await write(stream, bytes);
    strangers.push(stream);
  }
  await world.clock.settle();
  const at = world.clock.now();
  assert.ok(server.streams.open > 8 && client.streams.open > 10);

  await client.stop();
  assert.equal(await client.ended, null);
  assert.equal(client.streams.open, 0);
  assert.ok(programs.every((program) => program.stats().peerClosed));
  await server.stop();
  assert.equal(await server.ended, null);
  assert.equal(server.streams.open, 0);
  assert.ok(strangers.every((stream) => stream.stats().peerClosed));
  assert.equal(world.clock.now(), at);
  assert.equal(world.clock.pending, 0);
  assert.equal(world.ciphers.live, 0);
  assert.deepEqual([...client.lines(), ...server.lines()].filter((line) => /error/.test(line)), []);
});
