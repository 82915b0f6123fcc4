import assert from "node:assert/strict";
import { handshakeKeys, toSend } from "../../../tests/fake/v1_session.ts";
import { twinSeal, twinSessionKey } from "../../../tests/fake/v1_twin.ts";
import { ipPacket, SERVER_HOST, SERVER_PORT, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { concat } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { V1ClientHandshake } from "../../core/link/v1/handshake.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";

const never = new AbortController().signal;

function connect(world: TunWorld, host = "192.0.2.66"): Promise<Connection> {
  return dial(world.net.dialer(host), { host: SERVER_HOST, port: SERVER_PORT }, { signal: never });
}

/** The bytes that a stranger reads until the server closes, and how it ended. */
async function readToEnd(stream: Connection): Promise<{ bytes: number; end: "FIN" | "reset" }> {
  const into = new Uint8Array(1000);
  let bytes = 0;
  try {
    for (;;) {
      const got = await read(stream, into);
      if (got === null) return { bytes, end: "FIN" };
      bytes += got;
    }
  } catch {
    return { bytes, end: "reset" };
  }
}

function clientAt(world: TunWorld, host?: string): ReturnType<TunWorld["client"]> {
  return world.client(host === undefined ? {} : { host });
}

Deno.test("a silent connection keeps nobody out", async () => {
  await using world = new TunWorld();
  world.server();
  await using _silent = await connect(world);
  await world.clock.settle();
  const client = clientAt(world);
  await world.clock.settle();
  assert.equal(client.fields("authenticated").length, 1);
  assert.equal(world.clock.now(), 0);
});

Deno.test("a connection that stays silent is cut after exactly 10 s, and gets nothing", async () => {
  await using world = new TunWorld();
  const server = world.server();
  await world.clock.advance(500);
  const silent = await connect(world);
  const ended = readToEnd(silent);
  await world.clock.advance(9_999);
  assert.equal(silent.stats().peerClosed, false);
  await world.clock.advance(1);
  assert.deepEqual(await ended, { bytes: 0, end: "reset" });
  assert.match(String(server.fields("handshake rejected")[0]!["why"]), /took too long/);
});

Deno.test("one byte at a time does not prolong the 10 s", async () => {
  await using world = new TunWorld();
  world.server();
  const slow = await connect(world);
  const ended = readToEnd(slow);
  for (let second = 0; second < 9; second++) {
    await write(slow, Uint8Array.of(0));
    await world.clock.advance(1_000);
  }
  assert.equal(slow.stats().peerClosed, false);
  await world.clock.advance(1_000);
  assert.equal((await ended).end, "reset");
});

Deno.test("the 10 s are over with the proof: a session may be silent", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = clientAt(world);
  await world.clock.advance(3_600_000);
  client.device.inject(ipPacket(1));
  await world.clock.settle();
  assert.deepEqual(server.device.written, [ipPacket(1)]);
});

const JUNK: [string, Uint8Array, number][] = [
  ["an HTTP request", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0],
  ["zeros", new Uint8Array(1000), 0],
  ["a long first frame", concat(new Uint8Array(16), Uint8Array.of(0xff, 0xff)), 0],
  ["a proof without the key", concat(new Uint8Array(17), Uint8Array.of(24), new Uint8Array(24)), 0],
];

for (const [what, bytes] of JUNK) {
  Deno.test(`${what} in place of a handshake is refused at once, and told in one line`, async () => {
    await using world = new TunWorld();
    const server = world.server();
    const stranger = await connect(world);
    await write(stranger, bytes);
    await readToEnd(stranger);
    await world.clock.settle();
    assert.equal(world.clock.now(), 0);
    const lines = server.lines().filter((line) => !line.startsWith("debug"));
    assert.deepEqual(lines, ["warn handshake rejected"]);
    const client = clientAt(world);
    await world.clock.settle();
    assert.equal(client.fields("authenticated").length, 1);
  });
}

Deno.test("a stranger who ends before the proof is told of, and gone", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const [first, second] = [await connect(world), await connect(world)];
  await first.closeWrite();
  await write(second, new Uint8Array(20));
  second.reset();
  await world.clock.settle();
  const why = server.fields("handshake rejected").map((fields) => fields["why"]);
  assert.equal(why.length, 2);
  assert.match(String(why[0]), /ended before the handshake did/);
});

Deno.test("a stranger gets 16 bytes for his 16, and never the server's proof", async () => {
  await using world = new TunWorld();
  world.server();
  const stranger = await connect(world);
  const ended = readToEnd(stranger);
  await write(stranger, new Uint8Array(16));
  await world.clock.advance(10_000);
  assert.deepEqual(await ended, { bytes: 16, end: "reset" });
});

Deno.test("frames that come with the proof are the first of the session", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const stream = await connect(world);
  const keys = handshakeKeys();
  using handshake = new V1ClientHandshake(keys);
  await write(stream, handshake.hello());
  const nonce = new Uint8Array(16);
  await read(stream, nonce);
  // The client's counter 1 before it has seen the server's proof: a peer may be that eager.
  const proof = toSend(handshake.feed(nonce));
  const sk = twinSessionKey(keys.psk, keys.nonce, nonce);
  const frames = [1, 2, 3].map((i) =>
    twinSeal({ cipher: keys.cipher, sk, direction: 0, counter: BigInt(i) }, ipPacket(i))
  );
  await write(stream, concat(proof, ...frames));
  await world.clock.settle();
  assert.deepEqual(server.device.written, [ipPacket(1), ipPacket(2), ipPacket(3)]);
  await stream[Symbol.asyncDispose]();
});

Deno.test("2000 silent connections from the client's own address do not keep it out", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const silent = await Promise.all(Array.from({ length: 2000 }, () => connect(world, "192.0.2.2")));
  await world.clock.settle();
  const client = clientAt(world, "192.0.2.2");
  await world.clock.settle();
  assert.equal(client.fields("authenticated").length, 1);
  assert.equal(world.clock.now(), 0);
  // The oldest had to go for it, not the client.
  assert.equal(silent.filter((stream) => stream.stats().peerClosed).length, 2000 - 511);
  await world.clock.advance(10_000);
  assert.ok(silent.every((stream) => stream.stats().peerClosed));
  assert.equal(client.fields("disconnected").length, 0);
  assert.equal(server.fields("disconnected").length, 0);
});

Deno.test("a flood in the middle of a client's handshake does not push it out", async () => {
  await using world = new TunWorld();
  world.server();
  const client = clientAt(world, "192.0.2.2");
  for (let i = 0; i < 600; i++) connect(world, `198.51.100.${i % 250}`);
  await world.clock.settle();
  assert.equal(client.fields("authenticated").length, 1);
  await world.clock.advance(10_000);
});

Deno.test("a flood pushes out neither the client in the tunnel nor the one that waits", async () => {
  await using world = new TunWorld();
  world.server();
  const first = clientAt(world, "192.0.2.11");
  await world.clock.settle();
  const second = clientAt(world, "192.0.2.12");
  await world.clock.settle();
  await Promise.all(Array.from({ length: 3000 }, (_, i) => connect(world, `198.51.${i >> 8}.1`)));
  await world.clock.advance(1_000);
  await first.stop();
  await world.clock.settle();
  assert.equal(second.fields("authenticated").length, 1);
  assert.equal(world.clock.now(), 1_000);
  await world.clock.advance(10_000);
});

Deno.test("strangers cannot fill the log", async () => {
  await using world = new TunWorld();
  const server = world.server();
  for (let i = 0; i < 500; i++) {
    const stranger = await connect(world);
    await write(stranger, new Uint8Array(1000));
    await world.clock.settle();
  }
  assert.equal(server.fields("handshake rejected").length, 10);
  assert.equal(server.lines().filter((line) => !line.startsWith("debug")).length, 10);
});

Deno.test("a server that stops closes every connection, in whatever state it is", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client({ host: "192.0.2.11", retries: 0 });
  await world.clock.settle();
  const waiting = world.client({ host: "192.0.2.12", retries: 0 });
  const silent = await connect(world);
  const half = await connect(world);
  await write(half, new Uint8Array(16));
  await world.clock.settle();
  await server.stop();
  assert.equal(await server.ended, null);
  assert.ok(silent.stats().peerClosed && half.stats().peerClosed);
  await client.ended;
  await waiting.ended;
  assert.deepEqual(server.lines().filter((line) => /warn|error/.test(line)), []);
});
