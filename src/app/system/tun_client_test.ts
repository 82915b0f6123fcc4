import assert from "node:assert/strict";
import {
  errorOf,
  ipPacket,
  SERVER_HOST,
  SERVER_PORT,
  TunWorld,
} from "../../../tests/fake/tun_programs.ts";
import { FinalError, NameError, TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { accept, read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const never = new AbortController().signal;

/** A dialer that notes when it is asked. */
function watched(world: TunWorld, host = "192.0.2.2"): { dialer: Dialer; times: number[] } {
  const times: number[] = [];
  const inner = world.net.dialer(host);
  const dialer: Dialer = dialBy((to, o) => {
    times.push(world.clock.now());
    return dial(inner, to, o);
  });
  return { dialer, times };
}

/** Stands in for a server: does with each connection as it is told. */
function fakeServer(
  world: TunWorld,
  serve: (stream: Connection) => Promise<void> | void,
): Disposable {
  const stop = new AbortController();
  const listener = world.net.listen({ host: "", port: SERVER_PORT }, { signal: stop.signal });
  (async () => {
    for (;;) {
      const stream = await accept(listener, { signal: stop.signal });
      (async () => await serve(stream))().catch(() => {});
    }
  })().catch(() => {});
  return { [Symbol.dispose]: () => stop.abort(new Error("the fake server ends")) };
}

async function readExactly(stream: Connection, size: number): Promise<void> {
  const into = new Uint8Array(size);
  for (let at = 0; at < size;) at += await read(stream, into.subarray(at)) ?? size;
}

/** Checks that each pause is as wanted, less at most a quarter. */
function assertPauses(times: number[], wanted: number[]): void {
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  assert.equal(pauses.length, wanted.length, pauses.join());
  for (const [i, pause] of pauses.entries()) {
    assert.ok(pause > wanted[i]! * 0.75 && pause <= wanted[i]!, `pause ${i} is ${pause} ms`);
  }
}

Deno.test("without a server the client tries again after 1, 2, 4 … 30 s, less up to a quarter", async () => {
  await using world = new TunWorld();
  const { dialer, times } = watched(world);
  const client = world.client({ dialer });
  while (times.length < 9) await world.clock.advance(100);
  assertPauses(times, [1, 2, 4, 8, 16, 30, 30, 30].map((s) => s * 1_000));
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  assert.ok(new Set(pauses.slice(5)).size > 1, "chance takes no part");
  const told = client.lines().filter((line) => line.startsWith("warn"));
  assert.match(told[0]!, /^warn Cannot connect to 192.0.2.1:20203: refused/);
  assert.equal(told.length, 9);
});

Deno.test("the log tells the pause that is really made", async () => {
  await using world = new TunWorld();
  const { dialer, times } = watched(world);
  const client = world.client({ dialer });
  while (times.length < 3) await world.clock.advance(100);
  const message = "Cannot connect to 192.0.2.1:20203: refused";
  const told = client.fields(message).map((fields) => Number(fields["retry_in_seconds"]));
  for (const i of [0, 1]) {
    assert.ok(Math.abs(told[i]! * 1_000 - (times[i + 1]! - times[i]!)) <= 50, `${told[i]} s`);
  }
});

Deno.test("after a session longer than 60 s the pauses begin with 1 s again, else they go on", async () => {
  for (const [seconds, wanted] of [[61, 1_000], [59, 8_000]] as const) {
    await using world = new TunWorld();
    const { dialer, times } = watched(world);
    const client = world.client({ dialer });
    while (times.length < 3) await world.clock.advance(100);
    const server = world.server();
    while (client.fields("authenticated").length < 1) await world.clock.advance(100);
    await world.clock.advance(seconds * 1_000);
    await server.stop();
    const ended = world.clock.now();
    while (times.length < 5) await world.clock.advance(100);
    assertPauses([ended, times[4]!], [wanted]);
  }
});

Deno.test("with no retries one attempt is all, and its failure is the client's", async () => {
  await using world = new TunWorld();
  const { dialer, times } = watched(world);
  const client = world.client({ dialer, retries: 0 });
  const error = errorOf(await world.clock.until(client.ended));
  assert.deepEqual([error.kind, times], ["unreachable", [0]]);
});

Deno.test("a final failure ends the client, whatever number of retries it has", async () => {
  await using world = new TunWorld();
  const final = new FinalError("timeout", "The ticket's time is over");
  const dialer: Dialer = { start: (_to, _o, { failed }) => failed(final) };
  assert.equal(await world.clock.until(world.client({ dialer }).ended), final);
});

Deno.test("three retries are four attempts, and the last failure is thrown", async () => {
  await using world = new TunWorld();
  const { dialer, times } = watched(world);
  const client = world.client({ dialer, retries: 3 });
  assert.equal(errorOf(await world.clock.until(client.ended)).kind, "unreachable");
  assertPauses(times, [1_000, 2_000, 4_000]);
});

Deno.test("retries count failures in a row: a session begins the count anew", async () => {
  await using world = new TunWorld();
  const { dialer, times } = watched(world);
  const client = world.client({ dialer, retries: 2 });
  while (times.length < 2) await world.clock.advance(100);
  const server = world.server(); // the third attempt is the last one allowed
  while (client.fields("authenticated").length < 1) await world.clock.advance(100);
  await server.stop();
  assert.equal(errorOf(await world.clock.until(client.ended)).kind, "unreachable");
  assert.equal(times.length, 3 + 2); // the end of the session was the first failure of the new row
});

Deno.test("the name is resolved anew for each attempt", async () => {
  await using world = new TunWorld();
  world.server();
  const asked: string[] = [];
  const resolver = {
    resolve: (host: string) => {
      asked.push(host);
      return Promise.resolve([asked.length < 3 ? "203.0.113.9" : SERVER_HOST]);
    },
  };
  // Nobody listens at the old address.
  const inner = world.net.dialer();
  const dialer: Dialer = dialBy((to, o) =>
    "host" in to && to.host === SERVER_HOST
      ? dial(inner, to, o)
      : Promise.reject(new TtunError("unreachable", "moved away"))
  );
  const client = world.client({ resolver, dialer });
  while (client.fields("authenticated").length < 1) await world.clock.advance(100);
  assert.deepEqual(asked, Array(3).fill("server.example"));
});

/** A client that has met its server, and whose name has another address from then on. */
async function withOtherAddress(world: TunWorld, wire: "v1" | "v2", other: string) {
  let isOther = false;
  const resolver = { resolve: () => Promise.resolve([isOther ? other : SERVER_HOST]) };
  const dialled: string[] = [];
  const inner = world.net.dialer();
  const dialer: Dialer = dialBy((to, o) => {
    dialled.push((to as { host: string }).host);
    return dial(inner, to, o);
  });
  const server = world.server({ wire });
  const lastServer = { address: null, keep: () => {} };
  const client = world.client({ resolver, dialer, wire, lastServer });
  const sessions = () => client.fields("authenticated").length;
  while (sessions() < 1) await world.clock.advance(100);
  isOther = true;
  await server.stop();
  dialled.length = 0;
  return { dialled, sessions };
}

const FORGED = "203.0.113.66";

Deno.test("a client that knows where its server was asks nobody, and keeps where it is", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const kept: string[] = [];
  const keep = (address: string) => void kept.push(address);
  let asked = 0;
  const resolver = { resolve: () => Promise.resolve([++asked > 0 ? SERVER_HOST : FORGED]) };
  for (const [address, questions] of [[SERVER_HOST, 0], [FORGED, 1], [null, 2]] as const) {
    const dialer: Dialer = dialBy((to, o) =>
      (to as { host: string }).host === FORGED
        ? Promise.reject(new TtunError("unreachable", "moved away"))
        : dial(world.net.dialer(), to, o)
    );
    const client = world.client({
      ...{ wire: "v2", resolver, dialer, instance: 1 },
      lastServer: { address, keep },
    });
    while (client.fields("authenticated").length < 1) await world.clock.advance(50);
    assert.equal(asked, questions);
    await client.stop();
  }
  assert.deepEqual(kept, [SERVER_HOST, SERVER_HOST]);
});

Deno.test("a forged address that is silent does not keep a client from its last server", async () => {
  for (const wire of ["v1", "v2"] as const) {
    await using world = new TunWorld();
    using stop = new DisposableStack();
    const forger = stop.adopt(new AbortController(), (it) => it.abort());
    world.net.listen({ host: FORGED, port: SERVER_PORT }, forger);
    const { dialled, sessions } = await withOtherAddress(world, wire, FORGED);
    while (!dialled.includes(FORGED)) await world.clock.advance(50);
    assert.equal(dialled[0], SERVER_HOST);
    await world.clock.advance(3_500);
    assert.equal(sessions(), 1);
    assert.deepEqual(dialled.filter((host) => host === FORGED), [FORGED]);
    const since = world.clock.now();
    world.server({ wire });
    while (sessions() < 2) await world.clock.advance(50);
    assert.ok(world.clock.now() - since <= 1_000, "the last address is tried again each second");
  }
});

Deno.test("each attempt begins with the last address, and one fails when the others have", async () => {
  await using world = new TunWorld();
  const { dialled, sessions } = await withOtherAddress(world, "v2", FORGED);
  while (dialled.length < 6) await world.clock.advance(50);
  assert.deepEqual(dialled.slice(0, 6), [
    SERVER_HOST,
    FORGED,
    SERVER_HOST,
    FORGED,
    SERVER_HOST,
    FORGED,
  ]);
  assert.equal(sessions(), 1);
});

Deno.test("a server that has moved is found behind somebody silent at its last address", async () => {
  for (const wire of ["v1", "v2"] as const) {
    await using world = new TunWorld();
    using stop = new DisposableStack();
    const other = stop.adopt(new AbortController(), (it) => it.abort());
    const { dialled, sessions } = await withOtherAddress(world, wire, FORGED);
    world.net.listen({ host: SERVER_HOST, port: SERVER_PORT }, other);
    world.server({ wire });
    const since = world.clock.now();
    while (sessions() < 2) await world.clock.advance(50);
    assert.deepEqual([...new Set(dialled)].toSorted(), [SERVER_HOST, FORGED].toSorted());
    assert.ok(world.clock.now() - since <= 4_000);
  }
});

Deno.test("when name servers go dark, the client comes back by the server's last address", async () => {
  await using world = new TunWorld();
  let isDark = false;
  const resolver = {
    resolve: (_host: string, { signal }: { signal: AbortSignal }) =>
      isDark
        ? new Promise<string[]>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        })
        : Promise.resolve([SERVER_HOST]),
  };
  const server = world.server();
  const client = world.client({ resolver });
  const sessions = () => client.fields("authenticated").length;
  while (sessions() < 1) await world.clock.advance(100);
  isDark = true;
  await server.stop();
  world.server();
  const since = world.clock.now();
  while (sessions() < 2) await world.clock.advance(50);
  assert(world.clock.now() - since < 2000, "the pause after a lost connection, and no more");
  await world.clock.advance(3000);
  const told = client.lines().filter((line) => line.includes("does not resolve"));
  assert.deepEqual(told, [
    "warn the name server.example does not resolve at the moment (no answer yet); " +
    `using the last address ${SERVER_HOST}`,
  ]);
});

Deno.test("name servers that were never there are told after 10 s, and nothing else is blamed", async () => {
  await using world = new TunWorld();
  const resolver = {
    resolve: (_host: string, { signal }: { signal: AbortSignal }) =>
      new Promise<string[]>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  const client = world.client({ resolver, retries: 0 });
  const error = await world.clock.until(client.ended);
  assert(error instanceof NameError && error.reason === "silent");
  assert.match(error.message, /no answer from the name servers within 10 s/);
  assert.equal(world.clock.now(), 10_000);
});

Deno.test("a name that does not resolve is that failure", async () => {
  await using world = new TunWorld();
  const unknown = new TtunError("name", "Cannot resolve it");
  const resolver = { resolve: () => Promise.reject(unknown) };
  const client = world.client({ resolver, retries: 0 });
  assert.equal(await client.ended, unknown);
});

Deno.test("a server that cannot be reached is a time-out after 10 s", async () => {
  await using world = new TunWorld();
  world.server();
  world.net.cable(SERVER_HOST).pull();
  const client = world.client({ retries: 0 });
  const error = errorOf(await world.clock.until(client.ended));
  assert.deepEqual([error.kind, world.clock.now()], ["timeout", 10_000]);
  assert.match(error.message, /Cannot connect to server.example:20203/);
});

Deno.test("a server that never answers is a time-out after 10 s, and is hung up on", async () => {
  await using world = new TunWorld();
  const taken: Connection[] = [];
  using _server = fakeServer(world, (stream) => void taken.push(stream));
  const client = world.client({ retries: 0 });
  const error = errorOf(await world.clock.until(client.ended));
  assert.deepEqual([error.kind, error.exitCode, world.clock.now()], ["timeout", 6, 10_000]);
  assert.match(
    error.message,
    /is it a ttun server with this key, and is no other client connected to it\?/,
  );
  assert.equal(taken[0]!.stats().peerClosed, true);
});

Deno.test("a server that answers, and then says nothing to the proof for 10 s, has another key", async () => {
  await using world = new TunWorld();
  using _server = fakeServer(world, (stream) => write(stream, new Uint8Array(16)));
  const client = world.client({ retries: 0 });
  const error = errorOf(await world.clock.until(client.ended));
  assert.deepEqual([error.kind, world.clock.now()], ["auth", 10_000]);
  assert.match(error.message, /silent for 10 s .*wrong key or cipher/);
  assert.equal(client.fields("authenticated").length, 0);
});

Deno.test("a server that closes without an answer is told of as none of ttun's", async () => {
  for (const hangUp of [closed, reset]) {
    await using world = new TunWorld();
    using _server = fakeServer(world, hangUp);
    const client = world.client({ retries: 0 });
    const error = errorOf(await world.clock.until(client.ended));
    assert.equal(error.kind, "protocol");
    assert.match(error.message, /closed the connection after 0.0 s without an answer/);
  }
});

async function closed(stream: Connection): Promise<void> {
  await stream[Symbol.asyncDispose]();
}

function reset(stream: Connection): void {
  stream.reset();
}

for (
  const [when, wait, kind] of [
    ["at once", 0, "auth"],
    ["within 2 s", 1_999, "auth"],
    ["after 2 s", 2_000, "busy"],
    ["after 9 s", 9_000, "busy"],
  ] as const
) {
  for (const hangUp of [closed, reset]) {
    Deno.test(`a server that has the client's proof and is ${hangUp.name} ${when} means: ${kind}`, async () => {
      await using world = new TunWorld();
      using _server = fakeServer(world, async (stream) => {
        await write(stream, new Uint8Array(16));
        await readExactly(stream, 16 + 26);
        if (wait > 0) await new Promise<void>((wake) => world.clock.after(wait, wake));
        await hangUp(stream);
      });
      const client = world.client({ retries: 0 });
      const error = errorOf(await world.clock.until(client.ended));
      assert.deepEqual([error.kind, world.clock.now()], [kind, wait]);
    });
  }
}

Deno.test("over a slow path the end of a server that rejects the proof comes late, and is no busy one", async () => {
  for (const [end, kind] of [[3_100, "auth"], [5_500, "busy"]] as const) {
    await using world = new TunWorld();
    const pause = (ms: number) => new Promise<void>((wake) => world.clock.after(ms, wake));
    using _server = fakeServer(world, async (stream) => {
      await pause(3_000);
      await write(stream, new Uint8Array(16));
      await readExactly(stream, 16 + 26);
      await pause(end);
      await closed(stream);
    });
    const client = world.client({ retries: 0 });
    assert.equal(errorOf(await world.clock.until(client.ended)).kind, kind);
  }
});

Deno.test("a server that sends junk for its proof is refused, and no packet goes there", async () => {
  const junk: [number[], TtunError["kind"]][] = [
    [[0, 24, ...Array<number>(24).fill(7)], "auth"],
    [[0x48, 0x54, 0x54, 0x50], "protocol"],
    [[0, 3], "protocol"],
  ];
  for (const [bytes, kind] of junk) {
    await using world = new TunWorld();
    let received = 0;
    using _server = fakeServer(world, async (stream) => {
      await write(stream, Uint8Array.from([...new Uint8Array(16), ...bytes]));
      const into = new Uint8Array(1_000);
      for (let got: number | null = 0; got !== null; got = await read(stream, into)) {
        received += got;
      }
    });
    const client = world.client({ retries: 0 });
    client.device.inject(ipPacket(1));
    assert.equal(errorOf(await world.clock.until(client.ended)).kind, kind);
    assert.ok(received <= 16 + 26);
  }
});

Deno.test("the first address is tried first, the next one where that is silent", async () => {
  await using world = new TunWorld();
  world.server();
  world.net.cable("203.0.113.1").pull();
  const resolver = { resolve: () => Promise.resolve(["203.0.113.1", SERVER_HOST]) };
  const client = world.client({ resolver });
  await world.clock.advance(250);
  assert.deepEqual(client.fields("authenticated"), [
    { server: `${SERVER_HOST}:${SERVER_PORT}`, protocol: "memory", wire: "v1", offload: "off" },
  ]);
});

Deno.test("a client that is stopped ends cleanly, wherever it is", async () => {
  const places: Record<string, (world: TunWorld) => void> = {
    "it dials": (world) => world.net.cable(SERVER_HOST).pull(),
    "it waits for the next attempt": () => {},
    "it waits for the server's answer": (world) => {
      world.net.listen({ host: "", port: SERVER_PORT }, { signal: never });
    },
    "it is connected": (world) => void world.server(),
  };
  for (const [name, prepare] of Object.entries(places)) {
    await using world = new TunWorld();
    prepare(world);
    const client = world.client();
    await world.clock.advance(300);
    const warned = client.lines().filter((line) => line.startsWith("warn")).length;
    await client.stop();
    assert.equal(await client.ended, null, name);
    assert.equal(client.device.closed, true, name);
    assert.equal(client.lines().filter((line) => line.startsWith("warn")).length, warned, name);
  }
});

Deno.test("a client that was turned away comes back when its time has come", async () => {
  await using world = new TunWorld();
  world.server();
  const first = world.client({ host: "192.0.2.11" });
  await world.clock.settle();
  const second = world.client({ host: "192.0.2.12" });
  await world.clock.advance(9_000);
  assert.match(second.lines().at(-1)!, /^warn .*serves another client/);
  await first.stop();
  await world.clock.advance(1_000);
  assert.equal(second.fields("authenticated").length, 1);
});
