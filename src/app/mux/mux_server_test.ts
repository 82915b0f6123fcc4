import assert from "node:assert/strict";
import { HostileClient } from "../../../tests/fake/hostile_client.ts";
import { StreamWorld, TARGET } from "../../../tests/fake/stream_programs.ts";
import type { Connection } from "../../contract/connection.ts";
import { OpenKind } from "../../core/mux/frames.ts";
import { read } from "../loop/stream_io.ts";

const TO_TARGET = { kind: OpenKind.connect, address: { host: TARGET, port: 80 } };

/** Resolves with how the target's first connection ends. */
function endOfTarget(world: StreamWorld): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  world.serve(async (stream) => {
    try {
      while (await read(stream, new Uint8Array(10)) !== null);
      resolve("ended");
    } catch {
      resolve("reset");
    }
  });
  return promise;
}

Deno.test("a client that leaves before the server's answer has no session for ever", async () => {
  await using world = new StreamWorld({});
  let written = 0;
  const leaves = (stream: Connection): Connection =>
    new Proxy(stream, {
      get(target, name) {
        if (name === "writeNow") {
          return (bytes: Uint8Array) => {
            const done = target.writeNow(bytes);
            if (++written === 2) target.reset();
            return done;
          };
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  await assert.rejects(HostileClient.connect(world, { tamper: leaves }));
  await world.clock.settle();
  await world.clock.advance(70_000);
  const again = HostileClient.connect(world);
  await world.clock.settle();
  await using _again = await again;
});

Deno.test("a resume that expects what was never sent ends its session with words", async () => {
  await using world = new StreamWorld({});
  const target = endOfTarget(world);
  await using client = await HostileClient.connect(world);
  client.open(1, TO_TARGET);
  await world.clock.settle();
  assert.deepEqual(client.heard(), ["opened 1 0", "ack 1"]);
  client.stream.reset();
  await world.clock.advance(1000);
  const resume = { secret: client.secret, expected: 1_000_000 };
  await using _other = await HostileClient.connect(world, { carrier: 2, resume });
  await world.clock.settle();
  assert.equal(await target, "reset");
  assert.match(world.server.lines().at(-1)!, /an acknowledgement of what was not sent/);
});

Deno.test("a client of another key that names the same instance and session ends neither, nor goes on with it", async () => {
  await using world = new StreamWorld({ keys: ["ann", "ben"], psk: "ann" });
  await using first = await HostileClient.connect(world, { psk: "ann" });
  await using _second = await HostileClient.connect(world, { psk: "ben" });
  first.open(1, TO_TARGET);
  await world.clock.settle();
  assert.equal(first.heard()[0], "opened 1 5", "its session is there");
  const resume = { secret: first.secret, expected: 0 };
  await assert.rejects(HostileClient.connect(world, { psk: "ben", carrier: 2, resume }), {
    message: /another client's session/,
  });
});

Deno.test("the sessions of one address keep no other address out", async () => {
  await using world = new StreamWorld({ sessionLimits: { total: 12, perAddress: 8 } });
  await using clients = new AsyncDisposableStack();
  const connect = async (seed: number, from: string) =>
    clients.use(await HostileClient.connect(world, { seed, from }));
  await world.clock.settle(); // the world's own client has a session
  for (let seed = 1; seed <= 8; seed++) {
    const client = await connect(seed, "192.0.2.66");
    if (seed < 4) client.stream.reset(); // it leaves its session behind
    await world.clock.advance(100);
  }
  await assert.rejects(connect(9, "192.0.2.66"), {
    kind: "busy",
    message: /as many sessions as it may have/,
  });
  const others: HostileClient[] = [];
  for (let seed = 10; seed < 16; seed++) others.push(await connect(seed, `192.0.2.${seed}`));
  await world.clock.settle();
  for (const other of others) other.open(1, TO_TARGET);
  await world.clock.settle();
  for (const other of others) assert.equal(other.heard()[0], "opened 1 5");
});

Deno.test("a client's log says why the server could not connect", async () => {
  const local = ["8080:192.0.2.10:81", "8081:10.0.0.1:80", "8082:no.name.example:80"];
  await using world = new StreamWorld({ local });
  for (const port of [8080, 8081, 8082]) {
    const stream = await world.connect(port);
    await world.clock.settle();
    assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
  }
  const lines = world.client.lines().filter((line) => line.startsWith("warn"));
  assert.match(lines[0]!, /192.0.2.10:81: it refused the connection/);
  assert.match(lines[1]!, /10.0.0.1:80: the other end's rules do not permit it \(--permit-open\)/);
  assert.match(
    lines[2]!,
    /no.name.example:80: the other end has no way there, or finds no address/,
  );
});

Deno.test("the listeners of one address leave room for those of others", async () => {
  await using world = new StreamWorld({ permitListen: ["1000-3000"] });
  await using clients = new AsyncDisposableStack();
  let port = 1000;
  const listenFrom = async (from: string, seed: number) => {
    const client = clients.use(await HostileClient.connect(world, { from, seed }));
    for (let stream = 1; stream < 2 * 130; stream += 2) {
      const address = { host: "127.0.0.1", port: port++ };
      client.open(stream, { kind: OpenKind.listen, address });
    }
    await world.clock.settle();
    return client.heard().filter((word) => /^opened [0-9]+ 0/.test(word)).length;
  };
  const counts: number[] = [];
  for (const seed of [1, 2, 3]) counts.push(await listenFrom("192.0.2.66", seed));
  counts.push(await listenFrom("192.0.2.67", 4));
  assert.deepEqual(counts, [128, 128, 0, 128]);
});
