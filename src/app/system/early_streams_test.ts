import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { echoAll, readAll } from "../../../tests/fake/read_all.ts";
import { HostileClient } from "../../../tests/fake/hostile_client.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { read, write } from "../loop/stream_io.ts";

/** The client's writes of a handshake: its hello, and what follows the server's key. */
const FLIGHT_3 = 2;

type Reading = Pick<Connection, "readNow" | "writeNow">;

/** Replaces what a test wants of the client's first connection. */
function shapeFirst(change: (stream: Connection) => Partial<Reading>) {
  let count = 0;
  return (stream: Connection): Connection => {
    if (count++ > 0) return stream;
    const changed = change(stream);
    return new Proxy(stream, {
      get(target, name) {
        const value = Reflect.get(name in changed ? changed : target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

Deno.test("an open and its first bytes go in one write with the setup, before the server has answered", async () => {
  let writes = 0;
  const [stream, person] = memoryPair();
  person.writeNow(utf8("hello"));
  await using world = new StreamWorld({
    stdio: { stream, to: { host: "target", port: 80 } },
    shape: shapeFirst((target) => ({
      writeNow: (bytes) => {
        writes++;
        return target.writeNow(bytes);
      },
      readNow: (into) => writes < FLIGHT_3 ? target.readNow(into) : undefined,
    })),
  });
  const heard = Promise.withResolvers<string>();
  world.serve(async (target) => {
    const into = new Uint8Array(10);
    heard.resolve(new TextDecoder().decode(into.subarray(0, (await read(target, into))!)));
  });
  await world.clock.settle();
  assert.equal(await heard.promise, "hello");
  assert.equal(writes, FLIGHT_3);
});

Deno.test("a server whose answer is lost goes on with what it has got early, once", async () => {
  let writes = 0;
  let first: Connection | null = null;
  await using world = new StreamWorld({
    local: ["8080:target:80"],
    shape: shapeFirst((target) => {
      first = target;
      return {
        writeNow: (bytes) => {
          writes++;
          return target.writeNow(bytes);
        },
        readNow: (into) => {
          if (writes < FLIGHT_3) return target.readNow(into);
          return heard > 0 ? target.readNow(into) : undefined;
        },
      };
    }),
  });
  let connections = 0;
  let heard = 0;
  world.serve(async (target) => {
    connections++;
    const into = new Uint8Array(100);
    for (let got; (got = await read(target, into)) !== null;) {
      await write(target, into.subarray(0, got));
      heard += got;
      if (connections === 1 && heard === got) first!.reset();
    }
  });
  const program = await world.connect(8080);
  const data = pattern(100_000, 3);
  const echoed = exchange(program, data);
  assert.deepEqual(await world.clock.until(echoed), data);
  await program[Symbol.asyncDispose]();
  assert.deepEqual([connections, heard], [1, data.length]);
  assert.equal(world.carriers.length, 2);
});

Deno.test("a server that refuses has done nothing: the open waits and goes to it again", async () => {
  await using world = new StreamWorld({
    local: ["8080:target:80"],
    sessionLimits: { total: 1, perAddress: 1 },
    keepMs: 500,
  });
  let connections = 0;
  world.serve(async (target) => {
    connections++;
    await echoAll(target);
  });
  await world.clock.settle();
  await world.client.stop();
  await using other = await HostileClient.connect(world);
  world.startClient();
  const program = await world.connect(8080);
  const data = pattern(1000, 3);
  const echoed = exchange(program, data);
  await world.clock.advance(2000);
  assert.equal(connections, 0);
  assert.match(world.server.lines().join("\n"), /turned away/);
  other.stream.reset();
  assert.deepEqual(await world.clock.until(echoed), data);
  await program[Symbol.asyncDispose]();
  assert.equal(connections, 1);
});

Deno.test("wherever the first connection is cut, nothing arrives twice, and what is lost is told", async () => {
  let whole = 0;
  let lost = 0;
  for (let seed = 0; seed < 150; seed++) {
    const [a, b] = seededRng(seed)(2);
    const limit = { up: a! * 16, down: b! * 16 };
    await using world = new StreamWorld({
      local: ["8080:target:80"],
      shape: shapeFirst((target) => {
        const cut = (way: "up" | "down", bytes: number) => {
          limit[way] -= bytes;
          if (limit[way] <= 0) target.reset();
        };
        return {
          writeNow: (bytes) => {
            const done = target.writeNow(bytes.subarray(0, Math.max(1, limit.up)));
            cut("up", done);
            return done;
          },
          readNow: (into) => {
            const got = target.readNow(into.subarray(0, Math.max(1, limit.down)));
            cut("down", got ?? 0);
            return got;
          },
        };
      }),
    });
    const arrived: Uint8Array[] = [];
    world.serve(async (target) => {
      const bytes = await readAll(target);
      arrived.push(bytes);
      await write(target, bytes);
    });
    const program = await world.connect(8080);
    const data = pattern(700, seed);
    const echoed = await world.clock.until(exchange(program, data).catch(() => null));
    if (echoed?.length === data.length) whole++;
    else lost++;
    assert(arrived.length <= 1, `${arrived.length} connections with the target`);
    if (echoed?.length === data.length) assert.deepEqual([echoed, arrived], [data, [data]]);
    await program[Symbol.asyncDispose]();
    const next = await world.connect(8080);
    assert.deepEqual(await world.clock.until(exchange(next, data)), data);
    await next[Symbol.asyncDispose]();
  }
  assert(whole > 100 && lost > 10, `${whole} came through, ${lost} did not`);
});
