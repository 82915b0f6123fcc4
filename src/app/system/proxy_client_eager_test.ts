import assert from "node:assert/strict";
import {
  type ClientRun,
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  TARGET_NAME,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import {
  ending,
  httpConnect,
  socks4,
  socks5,
  socks5Request,
} from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { OldFrames } from "../../../tests/fake/tt_old.ts";
import { twinKeys } from "../../../tests/fake/tt_twin.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Dialer } from "../../contract/dial.ts";
import { accept, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** Asks for the echo of some words; the code of the reply, and what came back. */
async function talk(client: ClientRun, words: string): Promise<[number, string]> {
  const program = await client.connect();
  const code = await socks5(program, TARGET_NAME);
  await write(program, utf8(words));
  const back = await readExactly(program, words.length);
  await program[Symbol.asyncDispose]();
  return [code, new TextDecoder().decode(back)];
}

const nobody: Dialer = dialBy((_to, { signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
);

Deno.test("eager: a program is told that it is connected before its target is, and reset if it never is", async () => {
  await using world = new ProxyWorld();
  world.server({ dialer: dialBy((to, o) => world.clock.until(dial(nobody, to, o))) });
  const client = world.client({ isEager: true });
  await world.clock.settle();
  const program = await client.connect();
  assert.equal(await socks5(program, TARGET_NAME), 0);
  assert.equal(world.clock.now(), 0);
  await write(program, utf8("is anybody there?"));
  assert.equal(await world.clock.until(ending(program)), "reset");
});

for (
  const [kind, start] of [
    ["our server", (world: ProxyWorld) => void world.server()],
    ["an existing server", (world: ProxyWorld) => void world.oldServer()],
  ] as const
) {
  Deno.test(`eager, ${kind}: bytes both ways, on the first connection and the next`, async () => {
    await using world = new ProxyWorld();
    start(world);
    const client = world.client({ isEager: true });
    world.target(echo);
    await world.clock.settle();
    for (const words of ["one", "two", "three"]) {
      assert.deepEqual(await world.clock.until(talk(client, words)), [0, words]);
    }
    const program = await client.connect();
    assert.equal(await socks4(program, TARGET_V4), 90);
    const data = pattern(300_000);
    const back = readExactly(program, data.length);
    await write(program, data);
    assert.deepEqual(await world.clock.until(back), data);
  });

  Deno.test(`eager, ${kind}: a target that speaks first is heard, and one that ends first`, async () => {
    await using world = new ProxyWorld();
    start(world);
    const client = world.client({ isEager: true });
    world.target(async (stream) => await write(stream, utf8("220 hello")), { port: 21 });
    await world.clock.settle();
    for (let i = 0; i < 2; i++) {
      const program = await client.connect();
      assert.equal(await socks5(program, TARGET_NAME, 21), 0);
      const heard = readExactly(program, 9);
      assert.deepEqual(await world.clock.until(heard), utf8("220 hello"));
      assert.equal(await world.clock.until(ending(program)), "FIN");
    }
  });
}

Deno.test("eager: what came behind the request goes along, and a program's end is an end", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ isEager: true });
  world.target(echo);
  await world.clock.settle();
  for (let i = 0; i < 2; i++) {
    const program = await client.connect();
    const request = socks5Request(TARGET_NAME, 80);
    await write(program, concat(Uint8Array.of(5, 1, 0), request, utf8("early")));
    await program.closeWrite();
    const all = readExactly(program, 2 + 10 + 5);
    assert.deepEqual((await world.clock.until(all)).subarray(12), utf8("early"));
    assert.equal(await world.clock.until(ending(program)), "FIN");
  }
});

Deno.test("eager: a target past the tunnel is refused in words, as an HTTP client is", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client = world.client({ isEager: true, direct: [TARGET_V4] });
  await world.clock.settle();
  assert.notEqual(await world.clock.until(socks5(await client.connect(), TARGET_V4, 81)), 0);
  const http = httpConnect(await client.connect(), TARGET_NAME);
  assert.notEqual(await world.clock.until(http), 200);
});

Deno.test("eager: words that may have come to the target are never sent again", async () => {
  await using world = new ProxyWorld();
  const server = world.server();
  const client = world.client({ isEager: true });
  world.target(echo);
  await world.clock.settle();
  assert.deepEqual(await world.clock.until(talk(client, "known")), [0, "known"]);
  await server.stop();
  // In its place one that hangs up on the first, after what it was sent, and would serve others.
  const heard: string[] = [];
  let connections = 0;
  const hear = async (frames: OldFrames) => {
    heard.push(new TextDecoder().decode((await frames.receive())!));
  };
  const serve = async (minute: number) => {
    const keys = twinKeys("chacha20-poly1305", PASSWORD, minute);
    const listener = world.net.listen({ host: "", port: 20_000 + keys.otp % 10_000 }, world);
    for (;;) {
      const stream = await accept(listener, world);
      const isFirst = connections++ === 0;
      const frames = new OldFrames(stream, keys, world.rng());
      await hear(frames);
      if (!isFirst) await frames.send(Uint8Array.of(5, 0));
      await hear(frames);
      if (!isFirst) await frames.send(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
      await hear(frames);
      await stream[Symbol.asyncDispose]();
    }
  };
  for (const minute of [MINUTE - 1, MINUTE, MINUTE + 1]) serve(minute).catch(() => {});
  const program = await client.connect();
  assert.equal(await socks5(program, TARGET_NAME), 0);
  await write(program, utf8("only once"));
  assert.equal(await world.clock.until(ending(program)), "reset");
  assert.deepEqual(heard.filter((text) => text === "only once"), ["only once"]);
  await world.clock.advance(30_000);
  assert.equal(connections, 1);
});
