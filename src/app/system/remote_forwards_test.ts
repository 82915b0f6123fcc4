import assert from "node:assert/strict";
import { echoAll } from "../../../tests/fake/read_all.ts";
import { exchange, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { parseRemoteForward } from "../../core/forward/parse.ts";
import { write } from "../loop/stream_io.ts";

const REMOTE = { remote: ["9090:target:80"], permitListen: ["9090"] };

async function works(world: StreamWorld, port = 9090): Promise<void> {
  await using stream = await world.connect(port);
  const data = pattern(20_000, port);
  assert.deepEqual(await exchange(stream, data), data);
}

const has = (lines: readonly string[], words: RegExp) => assert.match(lines.join("\n"), words);

Deno.test("what connects at the server reaches the client's target, both ways and to the end", async () => {
  await using world = new StreamWorld(REMOTE);
  world.serve(echoAll);
  await world.clock.settle();
  await Promise.all([1, 2, 3].map(async (i) => {
    await using stream = await world.connect(9090);
    const data = pattern(400_000, i);
    assert.deepEqual(await exchange(stream, data), data);
  }));
  has(world.client.lines(), /info remote forward .*"listen":"127.0.0.1:9090","to":"target:80"/);
  has(world.server.lines(), /info listening for a client .*"address":"127.0.0.1:9090"/);
});

Deno.test("port 0 is one that the server's system chooses, and the client's log has it", async () => {
  await using world = new StreamWorld({ remote: ["0:target:80"], permitListen: ["0"] });
  world.serve(echoAll);
  await world.clock.settle();
  const [, port] = /"listen":"127.0.0.1:(\d+)"/.exec(world.client.lines().join("\n"))!;
  assert.notEqual(port, "0");
  await works(world, Number(port));
});

Deno.test("a listener without a target is a proxy whose connections leave from the client", async () => {
  await using world = new StreamWorld({ remote: ["1080"], permitListen: ["1080"] });
  world.serve(echoAll);
  await world.clock.settle();
  await using stream = await world.connect(1080);
  assert.equal(await socks5(stream, "target"), 0);
  assert.deepEqual(await exchange(stream, utf8("hello")), utf8("hello"));
});

Deno.test("a target that is not there resets the connection, and the next one is served", async () => {
  await using world = new StreamWorld(REMOTE);
  await world.clock.settle();
  await using stream = await world.connect(9090);
  await assert.rejects(exchange(stream, utf8("hello")));
  has(world.client.lines(), /warn cannot connect .*"target":"target:80"/);
  world.serve(echoAll);
  await works(world);
});

Deno.test("without a rule the server does not listen, and the client says which option it lacks", async () => {
  for (
    const [remote, permitListen, rule] of [
      ["9090:target:80", [], "9090"],
      ["*:9090:target:80", ["9090"], '"*:9090"'],
      ["localhost:9090:target:80", [], "127.0.0.1:9090"],
      ["9091:target:80", ["9090"], "9091"],
      ["/run/a:target:80", ["9090"], "unix:/run/a"],
    ] as const
  ) {
    await using world = new StreamWorld({ remote: [remote], permitListen });
    await world.clock.settle();
    const error = await world.client.ended;
    assert(error instanceof TtunError);
    assert.equal(error.kind, "unreachable");
    assert.ok(error.message.endsWith(`--permit-listen ${rule}`), error.message);
    has(world.server.lines(), /warn does not listen for a client/);
  }
});

Deno.test("a listen without an address has the one that is permitted, localhost 127.0.0.1 alone", async () => {
  const permitListen = ["*:9090-9099"];
  await using world = new StreamWorld({
    remote: ["9090:target:80", "localhost:9091:target:80", "*:9092:target:80"],
    permitListen,
  });
  await world.clock.settle();
  const listens = world.client.lines().flatMap((line) =>
    /"listen":"([^"]*)"/.exec(line)?.[1] ?? []
  );
  assert.deepEqual(listens, ["[::]:9090", "127.0.0.1:9091", "[::]:9092"]);
});

Deno.test("a port that is taken is a warning, or ends the client that is to end then", async () => {
  const o = { remote: ["9090:target:80", "9090:target:81"], permitListen: ["9090"] };
  {
    await using world = new StreamWorld(o);
    await world.clock.settle();
    assert.equal((await world.client.ended as TtunError).kind, "in_use");
  }
  await using world = new StreamWorld({ ...o, exitOnFailure: false });
  world.serve(echoAll);
  await world.clock.settle();
  has(world.client.lines(), /warn Cannot forward localhost:9090 of the server: another program/);
  await works(world);
});

Deno.test("a listener survives its carrier, and a transfer through it", async () => {
  await using world = new StreamWorld(REMOTE);
  world.serve(echoAll);
  await world.clock.settle();
  await using stream = await world.connect(9090);
  await write(stream, utf8("before "));
  await world.clock.advance(1100);
  world.carriers.at(-1)!.reset();
  await world.clock.advance(1100);
  assert.deepEqual(await exchange(stream, utf8("after")), utf8("before after"));
  await works(world);
  const { length } = world.client.lines().filter((line) => line.includes("remote forward"));
  assert.equal(length, 1);
});

Deno.test("a server that has restarted listens again for the client", async () => {
  await using world = new StreamWorld(REMOTE);
  world.serve(echoAll);
  await world.clock.settle();
  await works(world);
  await world.clock.advance(1100);
  await world.server.stop();
  world.startServer();
  await world.clock.advance(5000);
  await works(world);
});

Deno.test("the listener ends with a client that ends, at once: another client can have the port", async () => {
  await using world = new StreamWorld(REMOTE);
  world.serve(echoAll);
  await world.clock.settle();
  await world.client.stop();
  await assert.rejects(world.connect(9090), { kind: "unreachable" });
  world.startClient();
  await world.clock.settle();
  await works(world);
});

Deno.test("the listener ends with a session that nobody came back to", async () => {
  await using world = new StreamWorld({ ...REMOTE, keepMs: 5000 });
  await world.clock.settle();
  world.net.cable("192.0.2.2").pull();
  await world.clock.advance(120_000);
  await assert.rejects(world.connect(9090), { kind: "unreachable" });
});

Deno.test("a client may have 128 listeners, and another one is refused", async () => {
  const remote = Array.from({ length: 129 }, (_, i) => `${9000 + i}:target:80`);
  await using world = new StreamWorld({ remote, permitListen: ["1-65535"], exitOnFailure: false });
  await world.clock.settle();
  const lines = world.client.lines();
  assert.equal(lines.filter((line) => line.startsWith("info remote forward")).length, 128);
  has(lines, /warn Cannot forward localhost:9128 of the server: it cannot listen there/);
  has(world.server.lines(), /there are too many listeners/);
});

Deno.test("a forward that is added works like any other, and a removed one leaves its connections", async () => {
  await using world = new StreamWorld({ permitListen: ["9090-9099"] });
  world.serve(echoAll);
  await world.clock.settle();
  const { remotes } = world;
  const adding = remotes.add(parseRemoteForward("9090:target:80"));
  await world.clock.settle();
  await adding;
  assert.deepEqual(remotes.forwards.map(({ bound }) => bound), [{ host: "127.0.0.1", port: 9090 }]);
  await works(world);
  await using stream = await world.connect(9090);
  await write(stream, utf8("before "));
  await world.clock.settle();
  remotes.remove({ host: null, port: 9090 }, "tcp");
  assert.deepEqual(remotes.forwards, []);
  await world.clock.settle();
  await assert.rejects(world.connect(9090));
  assert.deepEqual(await exchange(stream, utf8("after")), utf8("before after"));
  await world.clock.settle();
  const again = remotes.add(parseRemoteForward("9090:target:80"));
  await world.clock.settle();
  await again;
  await works(world);
});

Deno.test("a forward that the server refuses is not added, and ends nothing", async () => {
  await using world = new StreamWorld({ permitListen: ["9090"], exitOnFailure: true });
  await world.clock.settle();
  const { remotes } = world;
  const refusal = assert.rejects(
    remotes.add(parseRemoteForward("9091:target:80")),
    (error) => error instanceof TtunError && /--permit-listen 9091$/.test(error.message),
  );
  await world.clock.settle();
  await refusal;
  assert.deepEqual(remotes.forwards, []);
  has(world.client.lines(), /warn Cannot forward localhost:9091 of the server/);
});

Deno.test("without a session an added forward is asked for when there is one", async () => {
  await using world = new StreamWorld({ permitListen: ["9090"] });
  world.serve(echoAll);
  await world.clock.advance(1100);
  await world.server.stop();
  const { remotes } = world;
  const adding = remotes.add(parseRemoteForward("9090:target:80"));
  await world.clock.advance(3000);
  await adding;
  assert.deepEqual(remotes.forwards.map(({ bound }) => bound), [null]);
  world.startServer();
  await world.clock.advance(30_000);
  assert.deepEqual(remotes.forwards.map(({ bound }) => bound), [{ host: "127.0.0.1", port: 9090 }]);
  await works(world);
});

Deno.test("a forward is removed by where it listens; one that is there already, or not there, is told", async () => {
  await using world = new StreamWorld({
    remote: ["9090:target:80", "0:target:80", "9092:target:80/udp"],
    permitListen: ["0", "9090-9099"],
  });
  await world.clock.settle();
  const { remotes } = world;
  const told = (words: RegExp) => (error: unknown) =>
    error instanceof TtunError && error.kind === "usage" && words.test(error.message);
  await assert.rejects(
    remotes.add(parseRemoteForward("9090:other:80")),
    told(/is a forward of the server's localhost:9090 already/),
  );
  const { bound } = remotes.forwards[1]!;
  assert(bound !== null && "port" in bound && bound.port > 0);
  remotes.remove({ host: null, port: bound.port }, "tcp");
  const gone = told(/no forward of the server's localhost:9092$/);
  assert.throws(() => remotes.remove({ host: null, port: 9092 }, "tcp"), gone);
  remotes.remove({ host: "127.0.0.1", port: 9092 }, "udp");
  remotes.remove({ host: "127.0.0.1", port: 9090 }, "tcp");
  assert.deepEqual(remotes.forwards, []);
});

Deno.test("the end of the client ends an add that waits", async () => {
  await using world = new StreamWorld({ permitListen: ["9090"] });
  await world.clock.advance(1100);
  await world.server.stop();
  const adding = world.remotes.add(parseRemoteForward("9090:target:80"));
  await world.client.stop();
  await adding;
});
