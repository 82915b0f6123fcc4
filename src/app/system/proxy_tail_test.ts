import assert from "node:assert/strict";
import {
  CLIENT_HOST,
  echo,
  ProxyWorld,
  SERVER_HOST,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import { socks5 } from "../../../tests/fake/proxy_programs.ts";
import { withSendBuffer } from "../../../tests/fake/send_buffer.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** Reads until the end: the bytes, and the kind of end. */
async function take(stream: Connection): Promise<string> {
  const into = new Uint8Array(65_536);
  let count = 0;
  try {
    for (;;) {
      const got = await read(stream, into);
      if (got === null) return `${count} FIN`;
      count += got;
    }
  } catch {
    return `${count} reset`;
  }
}

const FAST = 1 << 20;
const SLOW = 1000; // each 10 ms
const ALL = 600_000;

/** An upload that is still in the client's send buffer when both ways of its connection have ended. */
async function uploadTail(o: { size: number; isEager?: boolean }) {
  const world = new ProxyWorld();
  world.server();
  const state = { rate: FAST, dialled: 0, got: "" };
  const net = world.net.dialer(CLIENT_HOST);
  const dialer: Dialer = dialBy(async (to, options) => {
    state.dialled++;
    return withSendBuffer(await dial(net, to, options), world.clock, () => state.rate);
  });
  const client = world.client({ dialer, isEager: o.isEager ?? false });
  world.target(async (stream) => {
    await stream.closeWrite(); // its way ends first
    state.got = await take(stream);
  }, { port: 81 });
  world.target(echo);
  await world.clock.settle();
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_V4, 81)), 0);
  await world.clock.settle();
  state.rate = SLOW;
  assert.equal(await world.clock.until(take(program)), "0 FIN");
  await write(program, new Uint8Array(o.size));
  await program.closeWrite();
  await world.clock.settle();
  await program[Symbol.asyncDispose]();
  await world.clock.settle();
  return { world, client, state };
}

Deno.test("a connection on which much is still on its way is not used again: the next stream does not wait for it", async () => {
  const { world, client, state } = await uploadTail({ size: ALL, isEager: true });
  await using _world = world;
  const began = world.clock.now();
  const next = await client.connect();
  assert.equal(await world.clock.until(socks5(next, TARGET_V4)), 0);
  await write(next, new Uint8Array(10));
  await next.closeWrite();
  assert.equal(await world.clock.until(take(next)), "10 FIN");
  assert.ok(world.clock.now() - began < 500);
  await world.clock.advance(10_000);
  assert.deepEqual([state.got, state.dialled], [`${ALL} FIN`, 2]);
});

for (const how of ["waits in vain", "gives up"]) {
  Deno.test(`what a stream has sent arrives though the next one on its connection ${how}`, async () => {
    const { world, client, state } = await uploadTail({ size: 15_000 }); // little enough
    await using _world = world;
    state.rate = 10; // and the way becomes a slow one
    const next = await client.connect();
    const asking = socks5(next, TARGET_V4).catch(() => {});
    await world.clock.settle();
    assert.equal(state.dialled, 1);
    await world.clock.advance(500);
    if (how === "gives up") next.reset();
    await world.clock.advance(2_000);
    state.rate = FAST;
    await world.clock.advance(10_000);
    await asking;
    assert.equal(state.got, "15000 FIN");
  });
}

Deno.test("strangers who push out an idle connection do not cut off what it still carries", async () => {
  await using world = new ProxyWorld();
  const state = { rate: FAST, port: 0 };
  world.server({
    listen: (net) => (at, o) => {
      const inner = net.listen(at, o);
      const wrap = (stream: Connection) => withSendBuffer(stream, world.clock, () => state.rate);
      return {
        addr: inner.addr,
        acceptNow: (options) => {
          const stream = inner.acceptNow(options);
          return stream === null ? null : wrap(stream);
        },
        onAcceptable: (run) => inner.onAcceptable(run),
        [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
      };
    },
  });
  const net = world.net.dialer(CLIENT_HOST);
  const client = world.client({
    dialer: dialBy((to, o) => {
      if ("port" in to) state.port = to.port;
      return dial(net, to, o);
    }),
  });
  world.target(async (stream) => {
    await take(stream);
    await write(stream, new Uint8Array(200_000));
    await stream.closeWrite();
  }, { port: 81 });
  await world.clock.settle();
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_V4, 81)), 0);
  state.rate = SLOW;
  await program.closeWrite();
  const reading = take(program);
  await world.clock.advance(500);
  const { signal } = world;
  for (let i = 0; i < 513; i++) { // more than one address may have pending
    await dial(net, { host: SERVER_HOST, port: state.port }, { signal });
    await world.clock.settle();
  }
  await world.clock.advance(4000);
  assert.equal(await reading, "200000 FIN");
});
