import assert from "node:assert/strict";
import { test } from "../check.ts";
import { peakMb } from "../proc.ts";
import {
  endWell,
  LOOPBACK,
  openPair,
  portOf,
  type Process,
  run,
  serverPorts,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { openThrough, readToEnd, Refused, writeAll } from "./proxy_socks.ts";
import { halfCloser, listener, neverReader } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

const HALF_OPEN = 10_000;
/** Connections that are opened at once. */
const BATCH = 250;
/** Most memory of a server with all of them. */
const PEAK_MB = 250;

/** How long a page takes that is asked for through the proxy. @throws when it does not come */
async function loadPage(client: Process, url: string): Promise<number> {
  const began = performance.now();
  const args = ["-sS", "--max-time", "5", "-x", `socks5h://${LOOPBACK}:${portOf(client)}`, url];
  const { stdout, stderr } = await run("curl", args);
  assert.equal(stdout, "hello\n", `${stderr}${client.output}`);
  return performance.now() - began;
}

test(`${HALF_OPEN} half-open connections to the server's ports: a client is served, memory is bounded`, async () => {
  await using web = serveWeb();
  await using pair = await openPair();
  using kept = new DisposableStack();
  const part = crypto.getRandomValues(new Uint8Array(20)); // of a frame: the rest is waited for
  let opened = 0;
  while (opened < HALF_OPEN) {
    const ports = serverPorts(pair.server);
    await Promise.all(Array.from({ length: BATCH }, async (_, i) => {
      try {
        const conn = kept.use(
          await Deno.connect({ hostname: LOOPBACK, port: ports[i % ports.length]! }),
        );
        opened++;
        if (i % 2 === 0) await conn.write(part);
      } catch {
        // The port has closed with its minute, or this one was pushed out already.
      }
    }));
    if (opened % 2000 < BATCH) assert(await loadPage(pair.client, `http://${web.at}/hello`) < 3000);
  }
  assert(await loadPage(pair.client, `http://${web.at}/hello`) < 3000);
  assert(peakMb(pair.server.pid) < PEAK_MB, `${peakMb(pair.server.pid)} MB`);
  kept.dispose();
  assert(await loadPage(pair.client, `http://${web.at}/hello`) < 3000);
});

/** With 64 descriptors, which Deno lifts where it may. */
const withFew: Spawn = (command, args, options) =>
  spawnHere("prlimit", [
    "--nofile=64:64",
    "setpriv",
    "--bounding-set=-sys_resource",
    "--inh-caps=-sys_resource",
    command,
    ...args,
  ], options);

for (const io of ["ffi", "deno"]) {
  test(`out of descriptors, and they come free again: both ends go on by themselves: --io ${io}`, async () => {
    await using web = serveWeb();
    await using idle = listener();
    for (const few of ["server", "client"]) {
      await using stack = new AsyncDisposableStack();
      const spawnOf = (end: string) => end === few ? withFew : spawnHere;
      const args = ["--io", io];
      const server = stack.adopt(await startServer({ spawn: spawnOf("server"), args }), endWell);
      const client = stack.adopt(await startClient({ spawn: spawnOf("client"), args }), endWell);
      const kept: Deno.TcpConn[] = [];
      let last: Promise<Deno.TcpConn | Error> | null = null;
      // Each that is connected takes two; one that cannot be is refused, or waits until it can.
      while (kept.length < 40) {
        last = openThrough(portOf(client), idle.port).catch((error: Error) => error);
        const found = await orNothing(last, 2000);
        if (found === undefined || found instanceof Error) break;
        kept.push(found);
      }
      assert(kept.length < 40, "there are enough descriptors for all of them");
      for (const conn of kept) conn.close();
      const waiting = await last;
      if (waiting instanceof Error) assert.match(`${waiting}`, /Refused|ended|reset/i);
      else waiting!.close();
      const exhausted = few === "server" ? server : client;
      // The ends of those may still be on their way: their places are free when they are there.
      await soon(() => loadPage(client, `http://${web.at}/hello`));
      assert.match(exhausted.output, /descriptors|room/i);
    }
  });
}

/** Tries again for two seconds. */
async function soon(attempt: () => Promise<unknown>): Promise<void> {
  for (let left = 20;; left--) {
    try {
      return void await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await wait(100);
    }
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves to undefined if the promise is not settled in time. */
async function orNothing<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

test("with few descriptors and strangers that hold them a client is served at once", async () => {
  await using web = serveWeb();
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer({ spawn: withFew }), endWell);
  const client = stack.adopt(await startClient(), endWell);
  using kept = new DisposableStack();
  const [port] = serverPorts(server);
  for (let i = 0; i < 300; i++) {
    kept.use(await Deno.connect({ hostname: LOOPBACK, port: port! }));
  }
  for (let i = 0; i < 20; i++) assert(await loadPage(client, `http://${web.at}/hello`) < 3000);
});

test("--idle closes what is silent both ways, and not what is busy one way", async () => {
  await using target = neverReader();
  await using counting = halfCloser();
  for (const end of ["server", "client"] as const) {
    await using pair = await openPair({ [end]: ["--idle", "1"] });
    const began = performance.now();
    using silent = await openThrough(pair.port, target.port);
    using busy = await openThrough(pair.port, counting.port);
    let over = false;
    const sending = (async () => {
      for (; !over; await wait(200)) await writeAll(busy, new Uint8Array(10));
    })();
    await readToEnd(silent);
    const took = performance.now() - began;
    assert(took > 900 && took < 3000, `${took} ms`);
    over = true;
    await sending;
    await busy.closeWrite();
    assert((await readToEnd(busy)).bytes > 0);
    await pair[end].waitFor(/ended .*idle for 1 s/);
  }
});

test("above --connections nobody is served, and there is a place again when one ends", async () => {
  await using idle = listener();
  await using web = serveWeb();
  for (const end of ["server", "client"] as const) {
    await using pair = await openPair({ [end]: ["--connections", "2"] });
    {
      using _one = await openThrough(pair.port, idle.port);
      using _two = await openThrough(pair.port, idle.port);
      await assert.rejects(
        openThrough(pair.port, idle.port),
        (error: unknown) =>
          error instanceof Refused ? error.code === 1 : /reset|ended/i.test(`${error}`),
      );
      await pair[end].waitFor(/no place for another connection/);
    }
    for (let tries = 0;; tries++) { // they end when their end has been heard of
      const conn = await openThrough(pair.port, web.port).catch(() => null);
      conn?.close();
      if (conn !== null) break;
      assert(tries < 250);
      await wait(20);
    }
  }
});
