import assert from "node:assert/strict";
import {
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  RANGE,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
  TARGET_V6,
} from "../../../tests/fake/proxy.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { oldDial, type OldFrames, oldPort } from "../../../tests/fake/tt_old.ts";
import { concat, toHex, utf8 } from "../../base/bytes.ts";
import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";
import type { Connection } from "../../contract/connection.ts";
import { request } from "../../core/proxy/socks/socks5_client.ts";
import { read, write } from "../loop/stream_io.ts";

/** A connection of an existing client, of the minute of its clock. */
function dial(
  world: ProxyWorld,
  o: { minute?: number; port?: number; cipher?: CipherName } = {},
): Promise<OldFrames> {
  return oldDial(world.net.dialer("198.51.100.7"), {
    password: PASSWORD,
    cipher: o.cipher ?? "chacha20-poly1305",
    ...RANGE,
    host: SERVER_HOST,
    minute: o.minute ?? MINUTE,
    rng: world.rng(),
    signal: world.signal,
    ...(o.port !== undefined && { port: o.port }),
  });
}

const GREETING = Uint8Array.of(5, 1, 0);

/** Greeting and request, each answered before the next, as a program behind an existing client. */
async function socks(frames: OldFrames, host: string, port = 80): Promise<Uint8Array | null> {
  await frames.send(GREETING);
  assert.deepEqual(await frames.receive(), Uint8Array.of(5, 0));
  await frames.send(request({ host, port }));
  return await frames.receive();
}

/** Checks that it ends here, by FIN, without a word more. */
async function isEnded(frames: OldFrames): Promise<void> {
  assert.equal(await frames.receive(), null);
}

const TARGETS: [string, string][] = [["IPv4", TARGET_V4], ["IPv6", TARGET_V6], [
  "a name",
  TARGET_NAME,
]];

for (const [what, host] of TARGETS) {
  Deno.test(`an existing client connects to ${what} by SOCKS5, and its bytes go both ways`, async () => {
    await using world = new ProxyWorld();
    const server = world.server();
    world.target(echo);
    await world.clock.settle();
    const frames = await dial(world);
    const reply = await socks(frames, host);
    assert.deepEqual([...reply!.subarray(0, 3)], [5, 0, 0]);
    assert.ok(reply!.length >= 10);
    for (const size of [1, 4036, 100_000]) {
      const data = pattern(size);
      const sending = frames.sendAll(data);
      const parts: Uint8Array[] = [];
      for (let left = size; left > 0;) {
        const text = await frames.receive();
        parts.push(text!);
        left -= text!.length;
      }
      await sending;
      assert.deepEqual(concat(...parts), data);
    }
    assert.ok(frames.longestFrame <= 4096);
    await frames.stream.closeWrite();
    await isEnded(frames);
    assert.deepEqual(server.lines(), []);
  });
}

for (const cipher of CIPHER_NAMES) {
  Deno.test(`keys of the minutes T-2 to T+1 open, on any port that is open, with ${cipher}`, async () => {
    await using world = new ProxyWorld();
    world.server({ cipher });
    world.target(echo);
    await world.clock.settle();
    for (let minute = MINUTE - 2; minute <= MINUTE + 1; minute++) {
      for (let of = MINUTE - 1; of <= MINUTE + 1; of++) {
        const port = oldPort({ password: PASSWORD, cipher, ...RANGE }, of);
        const frames = await dial(world, { minute, port, cipher });
        assert.equal((await socks(frames, TARGET_V4))![1], 0);
        await frames.stream[Symbol.asyncDispose]();
      }
    }
  });
}

Deno.test("a new client may send greeting, request and data at once, in frames as it likes", async () => {
  const parts = [GREETING, request({ host: TARGET_V4, port: 80 }), utf8("data"), utf8("and more")];
  const ways: Uint8Array[][] = [
    parts,
    [parts[0]!, concat(parts[1]!, parts[2]!, parts[3]!)],
    [parts[0]!, ...[...parts[1]!].map((byte) => Uint8Array.of(byte)), parts[2]!, parts[3]!],
  ];
  for (const texts of ways) {
    await using world = new ProxyWorld();
    world.server();
    world.target(echo);
    await world.clock.settle();
    const frames = await dial(world);
    await write(frames.stream, concat(...texts.map((text) => frames.seal(text))));
    await frames.stream.closeWrite();
    const answer = await frames.receiveAll();
    const behind = utf8("dataand more");
    assert.deepEqual(answer.slice(0, 4), Uint8Array.of(5, 0, 5, 0));
    assert.deepEqual(answer.slice(-behind.length), behind);
  }
});

Deno.test("each account has its own ports and keys, and the log says whose a connection is", async () => {
  for (const range of [RANGE, { first: 5000, last: 5000 }]) {
    await using world = new ProxyWorld();
    const names = ["anna", "bert", "cleo"];
    const keys = names.map((name) => ({ name, password: utf8(`the password of ${name}`) }));
    const server = world.server({ keys, range });
    world.target(echo);
    await world.clock.settle();
    for (const name of names) {
      const frames = await oldDial(world.net.dialer("198.51.100.7"), {
        password: `the password of ${name}`,
        cipher: "chacha20-poly1305",
        ...range,
        host: SERVER_HOST,
        minute: MINUTE,
        rng: world.rng(),
        signal: world.signal,
      });
      assert.equal((await socks(frames, TARGET_V4))![1], 0);
    }
    assert.deepEqual(server.fields("connect").map(({ user }) => user), names);
  }
});

Deno.test("any list of methods is served, though none of them is what we have", async () => {
  for (const methods of [[2], [1, 2, 3], Array.from({ length: 255 }, (_, i) => i || 0xfe)]) {
    await using world = new ProxyWorld();
    world.server();
    world.target(echo);
    await world.clock.settle();
    const frames = await dial(world);
    await frames.send(Uint8Array.of(5, methods.length, ...methods));
    assert.deepEqual(await frames.receive(), Uint8Array.of(5, 0));
    await frames.send(request({ host: TARGET_V4, port: 80 }));
    assert.equal((await frames.receive())![1], 0);
  }
});

Deno.test("why there is no target is told by its code, and then the connection ends", async () => {
  const cases: [string, number, number][] = [
    ["8.0.0.99", 5, 0], // refused
    ["10.0.0.1", 2, 0], // denied
    ["127.0.0.1", 2, 0],
    ["inside.example", 2, 0],
    ["nowhere.example", 4, 0],
    ["8.0.0.66", 6, 10_000], // silent
  ];
  for (const [host, code, ms] of cases) {
    await using world = new ProxyWorld();
    const server = world.server();
    world.names.set("inside.example", ["192.168.1.1"]);
    world.net.cable("8.0.0.66").pull();
    await world.clock.settle();
    const frames = await dial(world);
    const answering = socks(frames, host, 81);
    await world.clock.advance(ms);
    assert.equal(toHex((await answering)!), `050${code}0001000000000000`, host);
    await isEnded(frames);
    await frames.stream.closeWrite();
    await world.clock.settle();
    assert.equal(server.streams.open, 0);
    // For the operator, in words; what only he can allow he is told without being asked.
    const why = String(server.fields(code === 2 ? "target denied" : "not connected")[0]!["why"]);
    assert.ok(why.includes(host), why);
    const told = server.lines().filter((line) => line.startsWith("info target denied"));
    assert.equal(told.length, code === 2 ? 1 : 0);
  }
});

Deno.test("BIND and UDP ASSOCIATE are answered 07, an unknown type of address 08", async () => {
  for (const [command, type, code] of [[2, 1, 7], [3, 1, 7], [1, 9, 8]] as const) {
    await using world = new ProxyWorld();
    const server = world.server();
    await world.clock.settle();
    const frames = await dial(world);
    await frames.send(GREETING);
    await frames.receive();
    await frames.send(Uint8Array.of(5, command, 0, type, 8, 0, 0, 10, 0, 80));
    assert.equal((await frames.receive())![1], code);
    await isEnded(frames);
    await frames.stream[Symbol.asyncDispose]();
    await world.clock.settle();
    assert.equal(server.streams.open, 0);
  }
});

const TEXT = new TextDecoder();

/** An HTTP server that says what it got, a line a piece. */
async function telling(stream: Connection): Promise<void> {
  const into = new Uint8Array(10_000);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const got = await read(stream, into);
    if (got === null) return;
    head += TEXT.decode(into.subarray(0, got));
  }
  const body = head.split("\r\n")[0]!;
  await write(
    stream,
    utf8(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`),
  );
  await stream.closeWrite();
}

Deno.test("an existing client of HTTP is served: CONNECT, GET in absolute form, a refusal", async () => {
  await using world = new ProxyWorld();
  world.server();
  world.target(telling);
  world.target(echo, { port: 443 });
  await world.clock.settle();
  const ask = async (head: string) => {
    const frames = await dial(world);
    await frames.send(utf8(head.replaceAll("\n", "\r\n")));
    return frames;
  };

  const tunnel = await ask(`CONNECT ${TARGET_NAME}:443 HTTP/1.1\nHost: x\n\n`);
  assert.match(TEXT.decode((await tunnel.receive())!), /^HTTP\/1\.1 200 .*\r\n\r\n$/);
  await tunnel.send(utf8("through"));
  assert.deepEqual(await tunnel.receive(), utf8("through"));
  await tunnel.stream.closeWrite();
  await isEnded(tunnel);

  const get = await ask(`GET http://${TARGET_NAME}/page HTTP/1.1\nConnection: close\nHost: x\n\n`);
  const answer = TEXT.decode(await get.receiveAll());
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(answer.endsWith("GET /page HTTP/1.1"), answer);

  const refused = await ask("CONNECT 8.0.0.99:9 HTTP/1.1\nHost: x\n\n");
  assert.match(TEXT.decode((await refused.receive())!), /^HTTP\/1\.1 502 /);
  await refused.stream.closeWrite();
  await isEnded(refused);

  for (const empty of ["\n", "\n\n"]) {
    const late = await ask(empty);
    await late.send(utf8(`GET http://${TARGET_NAME}/ HTTP/1.0\r\n\r\n`));
    assert.match(TEXT.decode(await late.receiveAll()), /^HTTP\/1\.0 200 OK\r\n/);
    const atOnce = await ask(`${empty}CONNECT ${TARGET_NAME}:443 HTTP/1.1\n\n`);
    assert.match(TEXT.decode((await atOnce.receive())!), /^HTTP\/1\.1 200 /);
  }

  const bad = await ask("GET /origin-form HTTP/1.1\nHost: x\n\n");
  assert.match(TEXT.decode((await bad.receive())!), /^HTTP\/1\.1 400 /);
});

Deno.test("a FIN of either end goes through alone, and a reset as a reset", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const targets: Connection[] = [];
  world.target(async (stream) => {
    targets.push(stream);
    const into = new Uint8Array(100);
    while (await read(stream, into) !== null);
    await write(stream, utf8("after your end"));
    await stream.closeWrite();
  });
  await world.clock.settle();
  const half = await dial(world);
  await socks(half, TARGET_V4);
  await half.stream.closeWrite();
  assert.deepEqual(await half.receive(), utf8("after your end"));
  await isEnded(half);

  const byTarget = await dial(world);
  await socks(byTarget, TARGET_V4);
  await world.clock.settle();
  targets.at(-1)!.reset();
  await assert.rejects(byTarget.receive(), { kind: "lost" });

  const byClient = await dial(world);
  await socks(byClient, TARGET_V4);
  await world.clock.settle();
  byClient.stream.reset();
  await world.clock.settle();
  assert.throws(() => targets.at(-1)!.readNow(new Uint8Array(1)), { kind: "lost" });
  assert.equal(server.streams.open, 0);
});

Deno.test("a frame that is damaged on its way ends the connection, and nothing of it reaches the target", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const got: number[] = [];
  world.target(async (stream) => {
    const into = new Uint8Array(1000);
    for (;;) {
      const count = await read(stream, into);
      if (count === null) return;
      got.push(...into.subarray(0, count));
    }
  });
  await world.clock.settle();
  const frames = await dial(world);
  await socks(frames, TARGET_V4);
  await frames.send(utf8("good"));
  await world.clock.settle();
  const damaged = frames.seal(utf8("damaged"));
  damaged[damaged.length - 1]! ^= 1;
  await write(
    frames.stream,
    concat(frames.seal(utf8(" too")), damaged, frames.seal(utf8("later"))),
  );
  await world.clock.settle();
  await assert.rejects(frames.receive(), { kind: "lost" });
  assert.deepEqual(Uint8Array.from(got), utf8("good too"));
  assert.match(String(server.fields("connection ended")[0]!["why"]), /Cannot open a frame/);
  assert.equal(server.streams.open, 0);
});

Deno.test("a client that shows the password and then says nothing is reset after 30 s", async () => {
  for (const first of [GREETING, utf8("GET ")]) {
    await using world = new ProxyWorld();
    const server = world.server();
    await world.clock.settle();
    const frames = await dial(world);
    await frames.send(first);
    if (first === GREETING) await frames.receive();
    const ending = frames.receive();
    ending.catch(() => {});
    await world.clock.advance(29_999);
    assert.equal(server.streams.open, 1);
    await world.clock.advance(1);
    await assert.rejects(ending, { kind: "lost" });
    assert.equal(server.streams.open, 0);
  }
});

Deno.test("a connection of which nobody says anything more is closed after the idle time", async () => {
  await using world = new ProxyWorld();
  const server = world.server({ limits: { idleMs: 60_000 } });
  world.target(echo);
  await world.clock.settle();
  const frames = await dial(world);
  await socks(frames, TARGET_V4);
  await world.clock.advance(50_000);
  await frames.send(utf8("x"));
  await frames.receive();
  await world.clock.advance(59_999);
  assert.equal(server.streams.open, 2);
  await world.clock.advance(1);
  assert.equal(server.streams.open, 0);
});
