import assert from "node:assert/strict";
import { LinkWorld } from "../../../tests/fake/link_world.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { read, write } from "../loop/stream_io.ts";
import { openLinkClient } from "./link_client.ts";
import { runServiceServer, type Service } from "./service_server.ts";

const STOP = new Error("the test is over");

/** A server of the services, and a client with a session. */
async function open(services: Record<string, Service>) {
  const world = new LinkWorld();
  const { clock } = world;
  const stop = new AbortController();
  const { signal } = stop;
  const server = runServiceServer({ ...world.server(signal), services })
    .then(() => null, (error: unknown) => error);
  const stack = new DisposableStack();
  const client = openLinkClient({ ...world.client(signal), endsWithSession: true }, stack);
  const running = client.run(signal).catch((error: unknown) => error);
  await clock.settle();
  return {
    clock,
    server,
    client: running,
    lines: () => world.lines(),
    openService: (name: string) => client.outbound.openService(name, { signal }),
    openTarget: () =>
      new Promise((resolve, reject) =>
        client.outbound.open({ host: "192.0.2.9", port: 80 }, { signal }, {
          connected: resolve,
          failed: reject,
        })
      ),
    [Symbol.asyncDispose]: async () => {
      stop.abort(STOP);
      await clock.advance(1000);
      await Promise.all([server, running]);
      stack.dispose();
    },
  };
}

const shout: Service = async ({ stream }) => {
  const into = new Uint8Array(100);
  for (let got; (got = await read(stream, into)) !== null;) {
    await write(stream, utf8(new TextDecoder().decode(into.subarray(0, got)).toUpperCase()));
  }
  await stream.closeWrite();
};

Deno.test("a client gets the given services, and nothing else", async () => {
  await using world = await open({ shout });
  await using stream = await world.openService("shout");
  await write(stream, utf8("hello"));
  await stream.closeWrite();
  assert.deepEqual(await readAll(stream), utf8("HELLO"));
  for (const name of ["echo", "constructor"]) {
    await assert.rejects(world.openService(name), { message: new RegExp(name) });
  }
  await assert.rejects(world.openTarget(), { message: /192.0.2.9:80/ });
});

Deno.test("a service that fails ends its stream alone, and says why in the log", async () => {
  const fails: Service = () => Promise.reject(new TtunError("protocol", "It was nonsense"));
  await using world = await open({ shout, fails });
  await using failed = await world.openService("fails");
  await using stream = await world.openService("shout");
  assert.deepEqual(await readAll(failed), new Uint8Array());
  await write(stream, utf8("still here"));
  await stream.closeWrite();
  assert.deepEqual(await readAll(stream), utf8("STILL HERE"));
  const warned = world.lines().find(({ level }) => level === "warn");
  assert.equal(warned?.message, "fails ended");
  assert.equal(warned?.fields["why"], "It was nonsense");
});

Deno.test("a mistake of a service ends the server", async () => {
  const mistaken: Service = () => Promise.reject(new TypeError("a mistake"));
  await using world = await open({ mistaken });
  await using _stream = await world.openService("mistaken");
  await world.clock.settle();
  assert.ok(await world.server instanceof TypeError);
});

Deno.test("a service ends the server when its client has the last byte", async () => {
  const last = new Uint8Array(3_000_000).fill(7);
  const ends: Service = async ({ stream, end }) => {
    end();
    await write(stream, last);
  };
  await using world = await open({ ends });
  await using stream = await world.openService("ends");
  assert.deepEqual(await readAll(stream), last);
  await stream.closeWrite();
  await world.clock.advance(3000);
  assert.equal(await world.server, null);
  assert.match(String(await world.client), /the server is ending/);
});
