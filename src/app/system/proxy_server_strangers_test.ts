import assert from "node:assert/strict";
import { arrayBytes } from "../../../tests/fake/heap.ts";
import {
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  RANGE,
  SERVER_HOST,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { oldDial, type OldFrames, oldPort } from "../../../tests/fake/tt_old.ts";
import { twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { request } from "../../core/proxy/socks/socks5_client.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const OPTIONS = { password: PASSWORD, cipher: "chacha20-poly1305" as const, ...RANGE };
const KEYS = twinKeys(OPTIONS.cipher, PASSWORD, MINUTE);
const PORT = oldPort(OPTIONS, MINUTE);
const GREETING = Uint8Array.of(5, 1, 0);

function connect(world: ProxyWorld, host = "198.51.100.66"): Promise<Connection> {
  const { signal } = new AbortController(); // each its own: one with thousands of listeners is slow
  return dial(world.net.dialer(host), { host: SERVER_HOST, port: PORT }, { signal });
}

/** An honest existing client that gets through to the target. */
async function honest(world: ProxyWorld, host = "198.51.100.7"): Promise<OldFrames> {
  const frames = await oldDial(world.net.dialer(host), {
    ...OPTIONS,
    host: SERVER_HOST,
    minute: world.minute,
    rng: world.rng(),
    signal: world.signal,
  });
  await frames.send(GREETING);
  assert.deepEqual(await frames.receive(), Uint8Array.of(5, 0));
  await frames.send(request({ host: TARGET_V4, port: 80 }));
  assert.equal((await frames.receive())![1], 0);
  return frames;
}

/** Watches as a stranger does: how many bytes came, when it ended, and how. */
async function watch(world: ProxyWorld, stream: Connection) {
  const into = new Uint8Array(1000);
  let bytes = 0;
  try {
    for (;;) {
      const got = await read(stream, into);
      if (got === null) return { bytes, end: "FIN", at: world.clock.now() };
      bytes += got;
    }
  } catch {
    return { bytes, end: "reset", at: world.clock.now() };
  }
}

let seed = 0;

function frame(text: Uint8Array): Uint8Array {
  return twinSeal(KEYS, seededRng(++seed)(20), text);
}

function shortRandom(): Uint8Array {
  const bytes = frame(GREETING);
  bytes[0] = 11 ^ KEYS.x[bytes[1]! % 32]!;
  return bytes;
}

const TLS = concat(Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3), pattern(500));

const STRANGERS: [string, () => Uint8Array][] = [
  ["nothing", () => new Uint8Array()],
  ["one byte", () => Uint8Array.of(5)],
  ["two bytes", () => Uint8Array.of(5, 1)],
  ["noise", () => pattern(300)],
  ["much noise", () => pattern(100_000)],
  ["SOCKS5 in clear", () => GREETING],
  ["HTTP in clear", () => utf8("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ["TLS", () => TLS],
  ["a header whose R is below 12 bytes", shortRandom],
  ["a frame of another password", () => {
    const keys = twinKeys(OPTIONS.cipher, "another", MINUTE);
    return twinSeal(keys, pattern(20), GREETING);
  }],
  ["a frame of the minute T+2", () => {
    return twinSeal(twinKeys(OPTIONS.cipher, PASSWORD, MINUTE + 2), pattern(20), GREETING);
  }],
  ["half a frame", () => frame(GREETING).subarray(0, 30)],
  ["a TUN hello", () => frame(Uint8Array.of(0x44, 10, 0, 0, 2))],
  ["an IPv4 packet", () => frame(concat(Uint8Array.of(0x45), pattern(60)))],
  ["words that are no request", () => frame(utf8("hello"))],
  ["HTTP in small letters", () => frame(utf8("get http://x/ HTTP/1.1\r\n\r\n"))],
  ["a greeting that is too long", () => frame(Uint8Array.of(5, 1, 0, 0))],
  ["a greeting without methods", () => frame(Uint8Array.of(5, 0))],
  ["greeting and request in one frame", () => {
    return frame(concat(GREETING, request({ host: TARGET_V4, port: 80 })));
  }],
  ["SOCKS4", () => frame(Uint8Array.of(4, 1, 0, 80, 8, 0, 0, 10, 0))],
];

for (const [what, make] of STRANGERS) {
  Deno.test(`${what}: no answer, and the end between 10 and 30 s after, by FIN`, async () => {
    await using world = new ProxyWorld({ capacity: 1 << 20 });
    const server = world.server();
    let connections = 0;
    world.target(async (stream) => {
      connections++;
      await echo(stream);
    });
    await world.clock.advance(1234);
    const stranger = await connect(world);
    const seen = watch(world, stranger);
    const bytes = make();
    if (bytes.length > 0) await write(stranger, bytes);
    await world.clock.advance(9_999);
    assert.equal(stranger.stats().peerClosed, false);
    assert.equal(server.streams.open, 1);
    const { at, ...rest } = await world.clock.until(seen);
    assert.deepEqual(rest, { bytes: 0, end: "FIN" });
    assert.ok(at - 1234 >= 10_000 && at - 1234 < 30_000, `after ${at - 1234} ms`);
    assert.equal(connections, 0);
    assert.equal(server.streams.open, 0);
    assert.ok(server.lines().every((line) => line === "warn connection rejected"));
  });
}

Deno.test("the times of the end are spread over all the twenty seconds, whatever was sent", async () => {
  await using world = new ProxyWorld();
  world.server();
  await world.clock.settle();
  const ends = STRANGERS.flatMap(([, make]) =>
    Array.from({ length: 10 }, async () => {
      const stranger = await connect(world);
      const seen = watch(world, stranger);
      stranger.writeNow(make());
      return (await seen).at;
    })
  );
  await world.clock.advance(30_000);
  const times = (await Promise.all(ends)).map((at) => at / 1000);
  for (const from of [10, 14, 18, 22, 26]) {
    const share = times.filter((at) => at >= from && at < from + 4).length / times.length;
    assert.ok(share > 0.1 && share < 0.32, `${share} of them from ${from} s on`);
  }
});

Deno.test("a byte now and then does not prolong it", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  await world.clock.settle();
  const stranger = await connect(world);
  for (let i = 0; i < 31 && !stranger.stats().peerClosed; i++) {
    await write(stranger, Uint8Array.of(i));
    await world.clock.advance(1000);
  }
  assert.equal(server.streams.open, 0);
});

Deno.test("a stranger that ends is gone at once", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  await world.clock.settle();
  for (const bytes of [new Uint8Array(), pattern(20), pattern(10_000)]) {
    const [by, fin] = [await connect(world), await connect(world)];
    for (const stream of [by, fin]) if (bytes.length > 0) await write(stream, bytes);
    await world.clock.settle();
    by.reset();
    await fin.closeWrite();
    await world.clock.settle();
    assert.equal(server.streams.open, 0);
  }
  assert.deepEqual(server.lines().filter((line) => /error/.test(line)), []);
});

Deno.test("what was recorded is refused in silence, as are the server's own frames", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  let connections = 0;
  world.target(async (stream) => {
    connections++;
    await echo(stream);
  });
  await world.clock.settle();
  const recorded = [frame(GREETING), frame(request({ host: TARGET_V4, port: 80 }))];
  const first = await connect(world);
  await write(first, concat(...recorded));
  await world.clock.settle();
  assert.equal(connections, 1);
  const answer = new Uint8Array(1000);
  const length = await read(first, answer);

  const replays = [
    concat(...recorded),
    recorded[0]!,
    answer.slice(0, length!), // the server's own
  ];
  for (const bytes of replays) {
    const again = await connect(world);
    const seen = watch(world, again);
    await write(again, bytes);
    const { bytes: got, end } = await world.clock.until(seen);
    assert.deepEqual([got, end], [0, "FIN"]);
  }
  assert.equal(connections, 1);
  const why = server.fields("connection rejected").map((fields) => fields["why"]);
  assert.deepEqual(why, Array(3).fill("its first frame is not new (known)"));
});

Deno.test("strangers keep no port open, however many there are", async () => {
  await using world = new ProxyWorld();
  world.server();
  await world.clock.settle();
  const arrive = async () => {
    const stream = await connect(world);
    await write(stream, pattern(50, world.clock.now() + 1));
  };
  for (let second = 20; second < 120; second++) { // the last second of the minute T+1
    await arrive();
    await world.clock.advance(1000);
  }
  await assert.rejects(arrive(), { kind: "unreachable" });
  assert.equal(world.minute, MINUTE + 2);
});

Deno.test("strangers cannot fill the log", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  await world.clock.settle();
  for (let i = 0; i < 300; i++) {
    const stranger = await connect(world);
    await write(stranger, pattern(5000, i + 1));
  }
  await world.clock.settle();
  assert.equal(server.lines().length, 10);
});

Deno.test("above the total there is no place, and one that is left is free again", async () => {
  await using world = new ProxyWorld();
  const server = world.server({ limits: { total: 3 } });
  world.target(echo);
  await world.clock.settle();
  const clients = [];
  for (let i = 0; i < 3; i++) clients.push(await honest(world, `198.51.100.${i}`));
  await assert.rejects(honest(world, "198.51.100.99"));
  assert.deepEqual(server.lines(), ["warn no place for another connection"]);
  clients[0]!.stream.reset();
  await world.clock.settle();
  await honest(world, "198.51.100.99");
});

Deno.test("an address has its share, and a /64 is an address", async () => {
  await using world = new ProxyWorld();
  world.server({ limits: { perAddress: 2 } });
  world.target(echo);
  await world.clock.settle();
  for (
    const hosts of [
      ["198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.2"],
      ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"],
    ]
  ) {
    await honest(world, hosts[0]);
    await honest(world, hosts[1]);
    await assert.rejects(honest(world, hosts[2]));
    await honest(world, hosts[3]);
  }
});

Deno.test("strangers take nobody's place among the connections", async () => {
  await using world = new ProxyWorld();
  world.server({ limits: { total: 1, perAddress: 1 } });
  world.target(echo);
  await world.clock.settle();
  for (let i = 0; i < 50; i++) {
    const stranger = await connect(world, "198.51.100.7");
    await write(stranger, pattern(1000, i + 1));
  }
  await honest(world, "198.51.100.7");
});

Deno.test("10 000 half-open clients: few are held, in little memory, and an honest one gets in", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  world.target(echo);
  await world.clock.settle();
  await honest(world, "198.51.100.1"); // whatever is made once
  const before = arrayBytes();
  const half: Connection[] = [];
  for (let i = 0; i < 10_000; i++) {
    const stream = await connect(world, `203.0.${i >> 8}.${i & 255}`);
    if (i % 2 === 0) await write(stream, frame(GREETING).subarray(0, 30));
    half.push(stream);
  }
  await world.clock.settle();
  assert.equal(server.streams.open, 2048 + 2); // those that wait; the honest one and its target
  const each = (arrayBytes() - before) / 2048;
  assert.ok(each < 1000, `${each} bytes each`);
  assert.equal(world.clock.now(), 0);
  await honest(world, "198.51.100.2");
  await honest(world, "203.0.0.0");
  assert.equal(half.filter((stream) => stream.stats().peerClosed).length, 10_000 - 2048 + 1);
  await world.clock.advance(30_000);
  assert.equal(server.streams.open, 6);
});

Deno.test("600 from one address push out each other, and not who comes from elsewhere", async () => {
  await using world = new ProxyWorld();
  world.server();
  world.target(echo);
  await world.clock.settle();
  const other = await connect(world, "198.51.100.2");
  const half = await Promise.all(Array.from({ length: 600 }, () => connect(world)));
  await world.clock.settle();
  assert.equal(half.filter((stream) => stream.stats().peerClosed).length, 600 - 512);
  assert.equal(other.stats().peerClosed, false);
  await honest(world); // from there as well
});

Deno.test("out of descriptors the oldest that waits makes room, and the server goes on", async () => {
  await using world = new ProxyWorld();
  let exhausted = 0;
  const server = world.server({
    listen: (streams) => (at, o) => {
      const inner = streams.listen(at, o);
      const listener: Listener = {
        addr: inner.addr,
        acceptNow: (options) => {
          if (exhausted > 0) {
            exhausted--;
            throw new TtunError("exhausted", "Cannot accept: no descriptor is left");
          }
          return inner.acceptNow(options);
        },
        onAcceptable: (run) => inner.onAcceptable(run),
        [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
      };
      return listener;
    },
  });
  world.target(echo);
  await world.clock.settle();
  const half = [];
  for (let i = 0; i < 20; i++) half.push(await connect(world));
  await world.clock.settle();
  exhausted = 5;
  const late = await connect(world); // the accept that waited takes it; the next one fails
  await world.clock.settle();
  assert.equal(exhausted, 0);
  assert.equal(half.filter((stream) => stream.stats().peerClosed).length, 5);
  assert.equal(late.stats().peerClosed, false);
  exhausted = 100; // more than there is to close: it waits, and tries again
  await connect(world);
  await world.clock.advance(5000);
  assert.equal(exhausted, 0);
  await honest(world);
  assert.ok(server.lines().length < 5);
});

Deno.test("out of descriptors for a target the oldest that waits makes room", async () => {
  await using world = new ProxyWorld();
  let exhausted = 0;
  const inner = world.net.dialer(SERVER_HOST);
  const dialer: Dialer = dialBy((to, options) =>
    exhausted-- > 0
      ? Promise.reject(new TtunError("exhausted", "Cannot connect: no descriptor is left"))
      : dial(inner, to, options)
  );
  world.server({ dialer });
  world.target(echo);
  await world.clock.settle();
  const half = [];
  for (let i = 0; i < 20; i++) half.push(await connect(world));
  await world.clock.settle();
  exhausted = 3;
  await honest(world);
  const gone = half.filter((stream) => stream.stats().peerClosed);
  assert.deepEqual(gone, half.slice(0, 3));
});
