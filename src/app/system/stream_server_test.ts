import assert from "node:assert/strict";
import { echoAll, readAll, slowEcho } from "../../../tests/fake/read_all.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { read, write } from "../loop/stream_io.ts";

for (const hasDevice of [false, true]) {
  const beside = hasDevice ? ", beside a device" : "";
  Deno.test(`a forward carries bytes both ways over a session, and an end as an end${beside}`, async () => {
    await using world = new StreamWorld({ local: ["8080:target:80"], hasDevice });
    world.serve(echoAll);
    await world.clock.settle();
    await Promise.all([1, 2, 3, 4].map(async (i) => {
      await using stream = await world.connect(8080);
      const data = pattern(600_000, i);
      assert.deepEqual(await exchange(stream, data), data);
    }));
    assert.equal(world.carriers.length, 1);
    assert.match(world.client.lines().join("\n"), /info authenticated .*"carries":"streams"/);
  });
}

Deno.test("a target that speaks first is heard, and its end does not end the other way", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  const heard = Promise.withResolvers<Uint8Array>();
  world.serve(async (stream) => {
    await write(stream, utf8("hello"));
    await stream.closeWrite();
    heard.resolve(await readAll(stream));
  });
  await using stream = await world.connect(8080);
  assert.deepEqual(await readAll(stream), utf8("hello"));
  await write(stream, utf8("still here"));
  await stream.closeWrite();
  assert.deepEqual(await heard.promise, utf8("still here"));
});

/** Runs a transfer through a slow target; `meanwhile` every 1.1 s of it. */
async function transfer(world: StreamWorld, meanwhile: (i: number) => void): Promise<void> {
  world.serve(slowEcho(world.clock));
  await using stream = await world.connect(8080);
  const data = pattern(1_000_000, 7);
  const echoed = exchange(stream, data);
  let isDone = false;
  void echoed.finally(() => isDone = true);
  for (let i = 0; !isDone && i < 200; i++) {
    await world.clock.advance(1100);
    meanwhile(i);
    await world.clock.settle();
  }
  assert.deepEqual(await echoed, data);
}

Deno.test("a transfer goes on, byte for byte, when its carrier is cut again and again", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  await transfer(world, () => world.carriers.at(-1)!.reset());
  assert(world.carriers.length > 10, `${world.carriers.length} carriers`);
  const { length } = world.client.lines().filter((line) => /^info session goes on/.test(line));
  assert.equal(length, world.carriers.length - 1);
});

Deno.test("a client whose address has gone comes back from another one within seconds", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  const began = world.clock.now();
  await transfer(world, (i) => {
    if (i !== 3) return;
    world.net.cable("192.0.2.2").pull(); // for good: nobody is told
    world.clientHost = "192.0.2.3";
  });
  assert.equal(world.carriers.length, 2);
  const took = world.clock.now() - began;
  assert(took < 20_000 + 8000, `${took} ms`);
  assert(!world.client.lines().some((line) => line.startsWith("warn")));
});

Deno.test("a session that has had no connection for too long ends its streams, and another begins", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"], keepMs: 5000 });
  world.serve(slowEcho(world.clock));
  const stream = await world.connect(8080);
  await write(stream, utf8("hello"));
  await world.clock.advance(1000);
  assert.deepEqual(await read(stream, new Uint8Array(10)), 5);
  world.net.cable("192.0.2.1").pull(); // nobody is told
  await world.clock.advance(14_000);
  assert.equal(stream.readNow(new Uint8Array(1)), undefined);
  await world.clock.advance(24_000);
  assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
  world.net.cable("192.0.2.1").plug();
  await world.clock.advance(40_000);
  await using other = await world.connect(8080);
  const data = pattern(10_000, 1);
  const echoed = exchange(other, data);
  await world.clock.advance(10_000);
  assert.deepEqual(await echoed, data);
});

Deno.test("a server that has restarted does not know the session: streams end at once, others work", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  world.serve(slowEcho(world.clock));
  const stream = await world.connect(8080);
  await write(stream, utf8("hello"));
  await world.clock.advance(2000);
  assert.deepEqual(await read(stream, new Uint8Array(10)), 5);
  const cable = world.net.cable("192.0.2.1");
  cable.pull(); // the client is not told
  const stopped = world.server.stop();
  await world.clock.advance(300); // the client might still have heard of it
  await stopped;
  world.startServer();
  cable.plug();
  await world.clock.advance(5000);
  assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
  await using other = await world.connect(8080);
  const echoed = exchange(other, utf8("again"));
  await world.clock.advance(3000);
  assert.deepEqual(await echoed, utf8("again"));
});

Deno.test("an end of the client while a connection has one way open is no failure of its own", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  const { promise: over, resolve } = Promise.withResolvers<void>();
  world.serve(() => over); // the target keeps its way open
  await using stream = await world.connect(8080);
  await write(stream, utf8("the end follows"));
  await stream.closeWrite();
  await world.clock.settle();
  await world.client.stop();
  assert.doesNotMatch(world.client.lines().join("\n"), /^error/m);
  resolve();
});

Deno.test("both ends list a session with its bytes, streams and carriers, until it is over", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  world.serve(echoAll);
  await world.clock.advance(1000);
  await using stream = await world.connect(8080);
  await write(stream, pattern(5000, 1));
  await world.clock.settle();
  const [one, other] = world.sessions.describe();
  const atClient = one!.sentBytes > 0 ? one! : other!;
  const atServer = atClient === one ? other! : one!;
  assert.deepEqual([atClient.sentBytes, atClient.receivedBytes, atClient.streams], [5000, 0, 1]);
  assert.deepEqual([atServer.sentBytes, atServer.receivedBytes, atServer.streams], [0, 5000, 1]);
  assert.deepEqual([atClient.peer, atClient.seconds], ["192.0.2.1:20203", 1]);
  assert.equal(atServer.cipher, "chacha20-poly1305");
  assert.equal(atServer.idleSeconds, 0);
  const first = atClient.carriers.at(-1)!;
  assert.equal(first.peer, "192.0.2.1:20203");
  world.carriers.at(-1)!.reset();
  const later = () => world.sessions.describe().find(({ id }) => id === atClient.id)!;
  await world.clock.advance(3000);
  assert(later().carriers.every(({ number }) => number > first.number));
  assert.equal(later().keptBytes, 0);
  await stream.closeWrite();
  assert.deepEqual(await readAll(stream), pattern(5000, 1));
  await world.client.stop();
  await world.clock.settle();
  assert.deepEqual(world.sessions.describe(), []);
});

Deno.test("an end that stops tells the other: streams are reset at once, and their targets too", async () => {
  for (const stops of ["server", "client"] as const) {
    await using world = new StreamWorld({ local: ["8080:target:80"] });
    const target = Promise.withResolvers<string>();
    world.serve(async (stream) => {
      const into = new Uint8Array(10);
      try {
        while (await read(stream, into) !== null);
        target.resolve("ended");
      } catch {
        target.resolve("reset");
      }
    });
    await using stream = await world.connect(8080);
    await write(stream, utf8("hello"));
    await world.clock.settle();
    await world[stops].stop();
    await world.clock.settle();
    assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
    assert.equal(await target.promise, "reset", stops);
  }
});

Deno.test("a client that has taken its leave has no session any more, though its connection is reset", async () => {
  const shape = (stream: Connection): Connection => {
    stream.closeWrite = () => {};
    stream[Symbol.asyncDispose] = () => Promise.resolve(stream.reset());
    return stream;
  };
  await using world = new StreamWorld({ local: ["8080:target:80"], shape });
  await world.clock.settle();
  assert.equal(world.sessions.describe().length, 2);
  const stopped = world.client.stop();
  await world.clock.advance(400);
  await stopped;
  assert.deepEqual(world.sessions.describe(), []);
});

Deno.test("a machine that slept for ten minutes has its connections again, if the session is kept so long", async () => {
  for (const keepMs of [60_000, 15 * 60_000]) {
    await using world = new StreamWorld({ local: ["8080:target:80"], keepMs });
    world.serve(slowEcho(world.clock));
    await using stream = await world.connect(8080);
    await write(stream, utf8("hello"));
    await world.clock.advance(2000);
    assert.equal(await read(stream, new Uint8Array(10)), 5);
    const cable = world.net.cable("192.0.2.2");
    cable.pull();
    await world.clock.advance(10 * 60_000);
    cable.plug();
    await world.clock.advance(60_000);
    if (keepMs === 60_000) {
      assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
      continue;
    }
    await write(stream, utf8("again"));
    await world.clock.advance(2000);
    assert.equal(await read(stream, new Uint8Array(10)), 5);
  }
});
