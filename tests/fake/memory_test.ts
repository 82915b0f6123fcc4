import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { requireHostPort } from "../../src/base/addr.ts";
import { utf8 } from "../../src/base/bytes.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { streamSuite } from "../suite/stream_suite.ts";
import { MemoryNet, memoryPair } from "./memory.ts";
import { Cable } from "./pipe.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

const HOST = "192.0.2.1";
const TRAITS = {
  flood: 1 << 20,
  most: 1 << 20,
  resets: true,
  refusesWhenClosed: true,
  ip: false,
};

streamSuite(
  "memory stream",
  TRAITS,
  Deno.test,
  () => {
    const net = new MemoryNet();
    return {
      dialer: net.dialer(),
      listen: (at, o) => net.listen(requireHostPort(at), o),
      at: { host: HOST, port: 0 },
      pause: () => setImmediate(),
      traits: TRAITS,
      [Symbol.asyncDispose]: async () => {},
    };
  },
);

async function readNow(stream: Connection, size = 100): Promise<string | null> {
  const into = new Uint8Array(size);
  const got = await read(stream, into);
  return got === null ? null : new TextDecoder().decode(into.subarray(0, got));
}

Deno.test("a memory stream makes its writer wait for each byte over its capacity", async () => {
  const [a, b] = memoryPair({ capacity: 2 });
  const written = write(a, utf8("abcde"));
  assert.ok(written instanceof Promise);
  assert.equal(await readNow(b), "ab");
  await setImmediate();
  assert.equal(await readNow(b), "cd");
  await written;
  assert.equal(await readNow(b), "e");
  assert.equal(write(a, utf8("fg")), undefined);
});

Deno.test("a memory stream counts what arrived as acknowledged, read or not", () => {
  const [a, b] = memoryPair();
  write(a, utf8("abc"));
  assert.equal(a.stats().acked, 3);
  assert.equal(b.stats().received, 3);
  assert.equal(b.stats().acked, 0);
});

Deno.test("over a pulled cable nothing arrives, and all of it when it is plugged in", async () => {
  const cable = new Cable();
  const [a, b] = memoryPair({ cables: [cable] });
  cable.pull();
  write(a, utf8("abc"));
  a.closeWrite();
  assert.equal(a.stats().acked, 0);
  const { acked, received, peerClosed } = b.stats();
  assert.deepEqual([acked, received, peerClosed], [0, 0, false]);
  cable.plug();
  assert.equal(a.stats().acked, 3);
  assert.equal(await readNow(b), "abc");
  assert.equal(await readNow(b), null);
});

Deno.test("a reset over a pulled cable is told only when the peer sends something", async () => {
  const cable = new Cable();
  const [a, b] = memoryPair({ cables: [cable] });
  cable.pull();
  a.reset();
  cable.plug();
  assert.equal(b.stats().peerClosed, false);
  write(b, utf8("x"));
  assert.equal(b.stats().peerClosed, true);
  await assert.rejects(async () => await read(b, new Uint8Array(1)), { kind: "lost" });
});

Deno.test("a close before all was read is a reset, after it an ordinary end", async () => {
  const [a, b] = memoryPair();
  write(b, utf8("unread"));
  await a[Symbol.asyncDispose]();
  await assert.rejects(async () => await read(b, new Uint8Array(1)), { kind: "lost" });
  const [c, d] = memoryPair();
  await c[Symbol.asyncDispose]();
  assert.equal(await readNow(d), null);
});

Deno.test("a dial over a pulled cable waits until it is plugged in or the dial is given up", async () => {
  const net = new MemoryNet();
  const { signal } = new AbortController();
  await using _listener = net.listen({ host: HOST, port: 1 }, { signal });
  net.cable(HOST).pull();
  let dialled = false;
  const stop = new AbortController();
  const given = dial(net.dialer(), { host: HOST, port: 1 }, { signal: stop.signal });
  const kept = dial(net.dialer(), { host: HOST, port: 1 }, { signal });
  kept.then(() => dialled = true);
  stop.abort(new Error("given up"));
  await assert.rejects(given, /given up/);
  await setImmediate();
  assert.equal(dialled, false);
  net.cable(HOST).plug();
  await kept;
});
