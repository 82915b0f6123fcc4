/** Ends that come early, of clients and of targets: what the other one hears of it, by every way. */
import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { openBy } from "../../../tests/fake/outbound.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { ProxyWorld, TARGET_NAME } from "../../../tests/fake/proxy.ts";
import {
  httpConnect,
  readHead,
  socks5,
  socks5Reply,
  socks5Request,
} from "../../../tests/fake/proxy_programs.ts";
import { pattern, readNowAll, SCRATCH } from "../../../tests/fake/tt_ends.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { serveInbound } from "../proxy/inbound.ts";
import { Relays } from "../net/relay.ts";
import { read, write } from "../loop/stream_io.ts";

/** Gets a connection ready for a request to the target; returns how a request's address begins there. */
const WAYS: Record<string, (program: Connection) => Promise<string>> = {
  "the HTTP proxy": () => Promise.resolve(`http://${TARGET_NAME}`),
  "CONNECT": async (program) => {
    assert.equal(await httpConnect(program, TARGET_NAME), 200);
    return "";
  },
  "SOCKS5": async (program) => {
    assert.equal(await socks5(program, TARGET_NAME), 0);
    return "";
  },
};

const RELOADS = 40;

for (const [way, begin] of Object.entries(WAYS)) {
  for (const isDirect of [false, true]) {
    const path = `${way}, ${isDirect ? "past" : "through"} the tunnel`;

    Deno.test(`forty reloads of a page with an event stream leave no connection at its target: ${path}`, async () => {
      for (const how of ["closed", "reset"]) {
        await using world = new ProxyWorld();
        let [seen, open] = [0, 0];
        world.target(async (stream) => {
          await readHead(stream);
          [seen, open] = [seen + 1, open + 1];
          await write(stream, utf8("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"));
          try {
            await read(stream, new Uint8Array(1)); // it says nothing
          } finally {
            open--;
          }
        });
        world.server();
        const client = world.client({ direct: isDirect ? [TARGET_NAME] : [] });
        await world.clock.settle();
        for (let i = 0; i < RELOADS; i++) {
          const page = await client.connect();
          const to = await begin(page);
          await write(page, utf8(`GET ${to}/events HTTP/1.1\r\nHost: ${TARGET_NAME}\r\n\r\n`));
          await readHead(page);
          if (how === "reset") page.reset();
          else await page[Symbol.asyncDispose]();
        }
        await world.clock.settle();
        assert.deepEqual([seen, open], [RELOADS, 0], how);
        assert.equal(world.clock.now(), 0, "nothing had to wait for a time-out");
      }
    });

    Deno.test(`who ends after the request still has the whole answer: ${path}`, async () => {
      await using world = new ProxyWorld();
      const body = pattern(300_000);
      world.target(async (stream) => {
        await readHead(stream);
        assert.equal(await read(stream, new Uint8Array(1)), null);
        await write(stream, utf8("HTTP/1.0 200 OK\r\n\r\n"));
        await write(stream, body);
      });
      world.server();
      const client = world.client({ direct: isDirect ? [TARGET_NAME] : [] });
      await world.clock.settle();
      const program = await client.connect();
      const to = await begin(program);
      await write(program, utf8(`GET ${to}/ HTTP/1.1\r\nHost: ${TARGET_NAME}\r\n\r\n`));
      await program.closeWrite();
      await readHead(program);
      let had = 0;
      const into = new Uint8Array(100_000);
      for (let got = await read(program, into); got !== null; got = await read(program, into)) {
        assert.deepEqual(into.subarray(0, got), body.subarray(had, had + got));
        had += got;
      }
      assert.equal(had, body.length);
      await program[Symbol.asyncDispose]();
    });

    Deno.test(`an early answer to an upload comes through, and then the end: ${path}`, async () => {
      await using world = new ProxyWorld({ capacity: 20_000 });
      world.target(async (stream) => {
        await readHead(stream);
        await write(stream, utf8("HTTP/1.1 413 No\r\nContent-Length: 7\r\n\r\ntoo big"));
        // Closed with bytes that it has not read: a reset.
      });
      world.server();
      const client = world.client({ direct: isDirect ? [TARGET_NAME] : [] });
      await world.clock.settle();
      for (let i = 0; i < 5; i++) {
        const program = await client.connect();
        const to = await begin(program);
        const fields = `Host: ${TARGET_NAME}\r\nContent-Length: 1000000\r\n`;
        await write(program, utf8(`POST ${to}/ HTTP/1.1\r\n${fields}\r\n`));
        const sending = (async () => await write(program, pattern(1_000_000)))();
        sending.catch(() => {});
        assert.match(await readHead(program), /^HTTP\/1\.1 413 No\r\n/);
        await world.clock.settle();
        assert.equal(new TextDecoder().decode(readNowAllOf(program)), "too big");
        program.reset(); // it has seen enough
        await sending.catch(() => {});
        await world.clock.advance(30_000);
      }
    });
  }
}

for (const [way, begin] of Object.entries(WAYS)) {
  Deno.test(`a client that is reset while its upload is held back is told to the target: ${way}`, async () => {
    await using world = new ProxyWorld({ capacity: 20_000 });
    const heard = Promise.withResolvers<unknown>();
    world.target(async (stream) => {
      await readHead(stream); // and nothing more, until it is told
      while (stream.stats().isGone !== true) {
        await new Promise<void>((resolve) => void world.clock.after(1000, resolve));
      }
      heard.resolve("told");
    });
    world.server();
    const client = world.client();
    await world.clock.settle();
    const program = await client.connect();
    const to = await begin(program);
    const fields = `Host: ${TARGET_NAME}\r\nContent-Length: 9000000\r\n`;
    await write(program, utf8(`POST ${to}/ HTTP/1.1\r\n${fields}\r\n`));
    const sending = (async () => await write(program, pattern(9_000_000)))();
    sending.catch(() => {});
    await world.clock.settle();
    program.reset();
    assert.equal(await world.clock.until(heard.promise, 30_000), "told");
    await world.clock.advance(30_000);
  });
}

Deno.test("a target that has gone before a SOCKS client's first words could be written is still heard", async () => {
  for (const isLate of [false, true]) {
    const clock = new FakeClock();
    const [[program, near], [upstream, target]] = [memoryPair(), memoryPair()];
    target.writeNow(utf8("421 busy"));
    target.closeWrite();
    const lost = new TtunError("lost", "reset");
    let isBroken = !isLate;
    upstream.writeNow = () => {
      if (isBroken) throw lost;
      isBroken = true;
      return 0;
    };
    upstream.onWritable = (run) => void Promise.resolve().then(run);
    using relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
    const over = Promise.withResolvers<unknown>();
    const first = concat(Uint8Array.of(5, 1, 0), socks5Request(TARGET_NAME, 25), utf8("HELO x"));
    serveInbound(near, first, {
      relays,
      outbound: openBy(() => Promise.resolve(upstream)),
      auth: null,
      signal: new AbortController().signal,
      requestMs: 1000,
    }, {
      onTarget: () => {},
      onRefused: over.reject,
      onFailure: over.reject,
      onEnd: (count) => over.resolve(count),
    });
    assert.deepEqual(await readExactly(program, 2), Uint8Array.of(5, 0));
    assert.equal(await socks5Reply(program), 0);
    await clock.settle();
    assert.deepEqual(readNowAll(program), { bytes: utf8("421 busy"), isEnded: true });
    await program.closeWrite();
    assert.deepEqual(await over.promise, { up: 6, down: 8 });
    assert.equal(clock.pending, 0);
  }
});

/** Reads all bytes that are there, however the stream ends. */
function readNowAllOf(stream: Connection): Uint8Array {
  const into = new Uint8Array(100);
  const got = stream.readNow(into);
  if (typeof got !== "number") return new Uint8Array();
  try {
    assert.equal(readNowAll(stream).bytes.length, 0);
  } catch (error) {
    assert.equal((error as { kind?: string }).kind, "lost");
  }
  return into.subarray(0, got);
}
