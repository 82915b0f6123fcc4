import assert from "node:assert/strict";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { HostileClient } from "../../../tests/fake/hostile_client.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { echoAll, slowEcho } from "../../../tests/fake/read_all.ts";
import { withSlowSending } from "../../../tests/fake/slow_sending.ts";
import { type ForwardPrograms, StreamWorld, TARGET } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { OpenKind } from "../../core/mux/frames.ts";
import { read, write } from "../loop/stream_io.ts";

/** A client with a device and a forward, and a server with a device. */
function startWorld(o: ForwardPrograms = {}): StreamWorld {
  return new StreamWorld({ local: ["8080:target:80"], hasDevice: true, clientDevice: true, ...o });
}

const marks = (packets: readonly Uint8Array[]) => packets.map(markOf);

const lines = (world: StreamWorld, end: "client" | "server", words: RegExp) =>
  world[end].lines().filter((line) => words.test(line));

Deno.test("one connection carries a device's packets and streams, as one session", async () => {
  await using world = startWorld();
  world.serve(echoAll);
  await world.clock.settle();
  await using stream = await world.connect(8080);
  const data = pattern(600_000, 3);
  const echoed = exchange(stream, data);
  for (let i = 0; i < 20; i++) {
    world.devices.client.inject(flowPacket(1, i));
    world.devices.server.inject(flowPacket(2, i));
    await world.clock.settle();
  }
  assert.deepEqual(await echoed, data);
  const all = Array.from({ length: 20 }, (_, i) => i);
  assert.deepEqual(marks(world.devices.server.written), all);
  assert.deepEqual(marks(world.devices.client.written), all);
  assert.equal(world.carriers.length, 1);
  for (const end of ["client", "server"] as const) {
    assert.equal(lines(world, end, /authenticated .*"carries":"packets,streams"/).length, 1);
  }
  const sessions = world.sessions.describe();
  assert.equal(sessions.length, 2); // one at each end
  for (const { carriers, sentBytes, receivedBytes } of sessions) {
    assert.equal(carriers.length, 1);
    assert(sentBytes >= 600_000 + 20 * 32 && receivedBytes >= 600_000 + 20 * 32);
  }
});

Deno.test("streams go on, byte for byte, when the connection is cut, and packets do not wait", async () => {
  await using world = startWorld();
  const { server, client } = world.devices;
  world.serve(slowEcho(world.clock));
  await world.clock.settle();
  await using stream = await world.connect(8080);
  const data = pattern(1_000_000, 7);
  const echoed = exchange(stream, data);
  let isDone = false;
  void echoed.finally(() => isDone = true);
  const through: number[] = [];
  for (let i = 0; !isDone && i < 200; i++) {
    while (world.carriers.length <= i) await world.clock.advance(500);
    await world.clock.advance(1500);
    client.inject(flowPacket(1, 2 * i));
    await world.clock.settle();
    through.push(2 * i);
    world.mayDial = () => false;
    world.carriers.at(-1)!.reset();
    await world.clock.settle();
    client.inject(flowPacket(1, 2 * i + 1));
    server.inject(flowPacket(1, 2 * i + 1));
    await world.clock.settle();
    world.mayDial = () => true;
  }
  assert.deepEqual(await echoed, data);
  assert(world.carriers.length > 4, `${world.carriers.length} connections`);
  assert.deepEqual(marks(server.written), through);
  assert.deepEqual(marks(client.written), []);
  assert.equal(world.sessions.describe().length, 2);
});

Deno.test("streams of a connection that lasted have the next one at once", async () => {
  await using world = startWorld();
  await world.clock.advance(1100);
  world.carriers.at(-1)!.reset();
  await world.clock.settle();
  assert.equal(world.carriers.length, 2);
  assert.equal(lines(world, "client", /authenticated/).length, 2);
  world.carriers.at(-1)!.reset();
  await world.clock.settle();
  assert.equal(world.carriers.length, 2); // it lasted for no time: the client waits
});

/** A client whose connection sends 2 MB/s, with bulk of both kinds for 3 s; returns the bytes. */
async function bulkOfBoth(
  o: { packets: boolean; streams: number },
  meanwhile: (world: StreamWorld) => Promise<void> = async () => {},
): Promise<{ packets: number; streams: number }> {
  const world = startWorld({ shape: (stream, clock) => withSlowSending(stream, clock, 2000) });
  await using _world = world;
  let streams = 0;
  world.serve(async (stream) => {
    const into = new Uint8Array(65_536);
    for (let got; (got = await read(stream, into)) !== null;) streams += got;
  });
  await world.clock.settle();
  const upload = async () => {
    await using stream = await world.connect(8080);
    for (;;) await write(stream, new Uint8Array(65_536));
  };
  for (let i = 0; i < o.streams; i++) upload().catch(() => {}); // until the test is over
  const { server, client } = world.devices;
  const packet = flowPacket(1, 0, 1200);
  for (let ms = 0; ms < 3000; ms++) {
    if (o.packets) { for (let i = client.queued; i < 20; i++) client.inject(packet); }
    await world.clock.advance(1);
  }
  const seen = { packets: server.written.reduce((sum, p) => sum + p.length, 0), streams };
  await meanwhile(world);
  return seen;
}

Deno.test("bulk of packets and of streams have half of a slow connection each", async () => {
  const alone = [
    (await bulkOfBoth({ packets: true, streams: 0 })).packets,
    (await bulkOfBoth({ packets: false, streams: 4 })).streams,
  ];
  for (const bytes of alone) assert(bytes > 5_000_000 && bytes < 6_000_000, `${bytes} alone`);
  const { packets, streams } = await bulkOfBoth({ packets: true, streams: 4 });
  assert(packets + streams > 5_000_000, `${packets} + ${streams}`);
  const share = packets / (packets + streams);
  assert(share > 0.4 && share < 0.6, `packets have ${share}`);
});

Deno.test("a packet waits little beside bulk of streams", async () => {
  await bulkOfBoth({ packets: false, streams: 4 }, async (world) => { // 256 KB of windows: 128 ms
    const { server, client } = world.devices;
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      const began = world.clock.now();
      client.inject(flowPacket(2, i));
      while (server.written.length <= i) await world.clock.advance(1);
      waits.push(world.clock.now() - began);
      await world.clock.advance(37);
    }

    assert(Math.max(...waits) <= 25, `${waits} ms`);
  });
});

/** Opens a stream that will be reset, and reads from it until then. */
async function openLost(world: StreamWorld): Promise<AsyncDisposable & { isReset: Promise<void> }> {
  const stream = await world.connect(8080);
  await write(stream, pattern(10, 1));
  await world.clock.settle();
  const isReset = assert.rejects(async () => await read(stream, new Uint8Array(10)), /reset/);
  return { isReset, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() };
}

/** Exchanges some bytes by the forward. */
async function forwardWorks(world: StreamWorld): Promise<void> {
  await using stream = await world.connect(8080);
  const data = pattern(10_000, 1);
  assert.deepEqual(await exchange(stream, data), data);
}

/** Sends one packet each way. */
async function packetsPass(world: StreamWorld, mark: number): Promise<void> {
  const { server, client } = world.devices;
  client.inject(flowPacket(1, mark));
  server.inject(flowPacket(1, mark));
  await world.clock.settle();
  assert.deepEqual(marks([server.written.at(-1)!, client.written.at(-1)!]), [mark, mark]);
}

Deno.test("a server that has lost the session resets its streams, and another one begins at once", async () => {
  await using world = startWorld();
  const echoing = Promise.withResolvers<void>();
  world.serve(async (stream) => {
    await echoAll(stream);
    echoing.resolve();
  });
  await world.clock.settle();
  await using lost = await openLost(world);
  await world.server.stop();
  world.startServer();
  await world.clock.advance(5000);
  await lost.isReset;
  await forwardWorks(world);
  await packetsPass(world, 7);
});

Deno.test("a session that the server has forgotten ends with the resume, and another one begins at once", async () => {
  await using world = startWorld({ keepMs: 5000 });
  await world.client.stop();
  const client = world.startClient({ keepMs: 60_000 });
  world.serve(echoAll);
  await world.clock.advance(5000);
  await using lost = await openLost(world);
  world.mayDial = () => false;
  world.carriers.at(-1)!.reset();
  await world.clock.advance(6000);
  world.mayDial = () => true;
  const before = world.carriers.length;
  while (world.carriers.length < before + 1) await world.clock.advance(100);
  await world.clock.advance(100);
  await lost.isReset;
  assert.equal(world.carriers.length, before + 2);
  assert.match(client.lines().join("\n"), /unknown session/);
  await forwardWorks(world);
  await packetsPass(world, 7);
});

Deno.test("a client that is away for too long resets its streams and begins another session", async () => {
  await using world = startWorld({ keepMs: 20_000 });
  world.serve(echoAll);
  await world.clock.settle();
  await using lost = await openLost(world);
  world.mayDial = () => false;
  world.carriers.at(-1)!.reset();
  await world.clock.advance(19_000);
  assert.equal(world.sessions.describe().length, 2);
  await world.clock.advance(2000);
  await lost.isReset;
  assert.deepEqual(world.sessions.describe(), []);
  world.mayDial = () => true;
  await world.clock.advance(60_000);
  await forwardWorks(world);
  await packetsPass(world, 7);
});

Deno.test("a client that ends tells its server, which keeps neither session nor listeners", async () => {
  await using world = startWorld({ remote: ["9000:target:80"], permitListen: ["9000"] });
  world.serve(echoAll);
  await world.clock.settle();
  assert.equal(lines(world, "client", /forward.*9000/).length, 1, world.client.lines().join("\n"));
  await world.client.stop();
  assert.deepEqual(world.sessions.describe(), []);
  const again = world.startClient();
  await world.clock.advance(5000);
  assert.match(again.lines().join("\n"), /forward.*9000/);
});

Deno.test("a server without forwards carries the packets, and the client says so", async () => {
  await using world = startWorld({ forwards: false });
  await world.clock.settle();
  await packetsPass(world, 7);
  assert.equal(lines(world, "client", /warn forwards do not work: .* packets alone/).length, 1);
  const sessions = world.sessions.describe();
  assert.deepEqual(sessions.map(({ streams }) => streams), [undefined, undefined]);
});

Deno.test("a server without a device refuses a client that has one, with words", async () => {
  await using world = startWorld({ hasDevice: false, retries: 0 });
  const error = await Promise.race([world.client.ended, world.clock.advance(5000)]);
  assert.match(String(error), /no device \(--no-tun\)/);
});

Deno.test("a client with forwards is turned away while another one has the device", async () => {
  await using world = startWorld();
  world.serve(echoAll);
  await world.clock.settle();
  const other = world.startClient({ local: [] });
  await world.clock.advance(5000);
  assert.match(other.lines().join("\n"), /the server is busy/);
  await other.stop();
  await forwardWorks(world);
});

const TO_TARGET = { kind: OpenKind.connect, address: { host: TARGET, port: 80 } };

Deno.test("a client that breaks the rules of streams loses its device too, and is told why", async () => {
  await using world = startWorld();
  await world.client.stop();
  await using hostile = await HostileClient.connect(world, { packets: true });
  hostile.open(1, TO_TARGET);
  hostile.open(1, TO_TARGET);
  await world.clock.settle();
  assert.throws(() => hostile.heard(), /the peer says: Ended the session: .*stream/);
  assert.deepEqual(world.sessions.describe(), []);
  world.startClient();
  world.serve(echoAll);
  await world.clock.advance(5000);
  await forwardWorks(world);
  await packetsPass(world, 7);
});

Deno.test("whoever cannot prove a session, or expects what was never sent, takes no device with it", async () => {
  await using world = startWorld();
  world.serve(echoAll);
  await world.clock.settle();
  const secret = new Uint8Array(32);
  for (const seed of [1, 2]) {
    const resume = { secret, expected: 0 };
    const connecting = HostileClient.connect(world, { packets: true, carrier: 2, seed, resume });
    await Promise.all([assert.rejects(connecting, /unknown session/), world.clock.settle()]);
  }
  await packetsPass(world, 7);
  await world.client.stop();
  await using own = await HostileClient.connect(world, { packets: true });
  const resume = { secret: own.secret, expected: 1_000_000 };
  const forged = { secret, expected: 0 };
  const forging = HostileClient.connect(world, { packets: true, carrier: 2, resume: forged });
  await Promise.all([assert.rejects(forging, /another client's session/), world.clock.settle()]);
  await using _ahead = await HostileClient.connect(world, { packets: true, carrier: 2, resume });
  await world.clock.settle();
  assert.deepEqual(world.sessions.describe(), []);
});
