import assert from "node:assert/strict";
import { test } from "../check.ts";
import { descriptorCount, peakMb, rssMb } from "../proc.ts";
import {
  endWell,
  openPair,
  type Pair,
  portOf,
  run,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { openThrough, readExactly, readToEnd, writeAll } from "./proxy_socks.ts";
import { endlessSender, halfCloser, listenFor, neverReader, soon } from "./proxy_targets.ts";
import { bulk, hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";
import { makeFolder } from "./proxy_files.ts";

const MB = 1024 * 1024;

/** Connections that stand still. */
const STUCK = 30;
interface Flat {
  /** Until the heap and the windows have found their sizes. */
  readonly rounds: number;
  /** Most memory of an end with all of them. */
  readonly peakMb: number;
}

/** A session of version 2 may hold 64 MB for programs that do not read (app/mux/limits.ts). */
const FLAT: Record<"v1" | "v2", Flat> = {
  v1: { rounds: 3, peakMb: 230 },
  v2: { rounds: 5, peakMb: 270 },
};
/** Most growth when they go on, and stand still again. */
const GROWTH_MB = 30;

test("one port alone, and frames that are small: nothing is lost or mixed", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const file = `${folder.path}/up`;
  await writeBulk(file, MB);
  const expected = hashOfBulk(MB);
  for (const both of [["--wire", "v1", "--mtu", "37"], ["--wire", "v1", "--mtu", "1440"], []]) {
    await using pair = await openPair({ both, range: "20500-20500" });
    const down = ["-c", `curl "$@" | sha256sum`, "sh", "-sS", "-x", `socks5h://${pair.proxy}`];
    const got = await run("sh", [...down, `http://${web.at}/bulk/${MB}`]);
    assert.equal(got.stdout, `${expected}  -\n`, got.stderr);
    const up = ["-sS", "-x", `http://${pair.proxy}`, "-T", file, `http://${web.at}/echo`];
    assert.equal((await run("curl", up)).stdout, `${MB} ${expected}\n`);
  }
});

for (
  const both of [["--io", "ffi"], ["--io", "deno"], ["--wire", "v1"], [
    "--wire",
    "v1",
    "--io",
    "deno",
  ]]
) {
  test(`each way ends on its own, and then nothing is left: ${both.join(" ")}`, async () => {
    await using counting = halfCloser();
    // Ends its own way at once, and then counts.
    const counted = Promise.withResolvers<number>();
    await using early = listenFor(async (conn) => {
      await conn.closeWrite();
      counted.resolve((await readToEnd(conn)).bytes);
    });
    await using pair = await openPair({ both });
    {
      using conn = await openThrough(pair.port, counting.port);
      await writeAll(conn, new Uint8Array(70_000));
      await conn.closeWrite();
      const words = "70000 bytes, then the end\n";
      const got = await readExactly(conn, new Uint8Array(words.length));
      assert.equal(new TextDecoder().decode(got), words);
      assert.deepEqual(await readToEnd(conn), { bytes: 0, end: "fin" });
    }
    using conn = await openThrough(pair.port, early.port);
    assert.deepEqual(await readToEnd(conn), { bytes: 0, end: "fin" });
    await writeAll(conn, new Uint8Array(3 * MB));
    await conn.closeWrite();
    assert.equal(await soon(counted.promise), 3 * MB);
    // A relay that had not ended would go on for ever.
    await Promise.all([pair.server, pair.client].map((end) => end.waitFor(/ done [^]* done /)));
  });
}

/** Each end's memory after `work`, which leaves connections that stand still. */
async function expectFlat(
  { server, client }: Pair,
  { rounds, peakMb: most }: Flat,
  work: () => Promise<void>,
): Promise<void> {
  const memory = () => [server, client].map(({ pid }) => rssMb(pid));
  for (let i = 0; i < rounds; i++) await work(); // the heap and the windows find their size
  // On a busy machine windows still grow here: a size counts once three rounds leave it as it is.
  const sizes = [memory()];
  for (let same = 0; same < 3; same++) {
    await work();
    const now = memory();
    if (now.every((size, i) => size < sizes.at(-1)![i]! + GROWTH_MB)) continue;
    sizes.push(now);
    assert(sizes.length <= 4, `${sizes.join(" -> ")} MB`);
    same = -1;
  }
  for (const { pid } of [server, client]) assert(peakMb(pid) < most, `${peakMb(pid)} MB`);
}

/** Waits until a count no longer changes, as long as that takes; returns it. */
async function untilSteady(count: () => number): Promise<number> {
  for (let before = -1, now = count();; before = now, now = count()) {
    if (now === before) return now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

for (const wire of ["v1", "v2"] as const) {
  test(`targets that send for ever to programs that do not read: memory stays as it is: --wire ${wire}`, async () => {
    await using target = endlessSender();
    await using pair = await openPair({ both: ["--wire", wire] });
    using stack = new DisposableStack();
    const opening = Array.from({ length: STUCK }, () => openThrough(pair.port, target.port));
    const all = (await Promise.all(opening)).map((conn) => stack.use(conn));
    await expectFlat(pair, FLAT[wire], async () => {
      for (const conn of all) await readExactly(conn, new Uint8Array(MB));
      await untilSteady(() => target.sent);
    });
  });

  test(`programs that send for ever to targets that never read: memory stays as it is: --wire ${wire}`, async () => {
    await using target = neverReader();
    await using pair = await openPair({ both: ["--wire", wire] });
    using stack = new DisposableStack();
    const zeros = new Uint8Array(64 * 1024);
    let sent = 0;
    const send = async (conn: Deno.TcpConn) => {
      try {
        for (;;) {
          const took = await conn.write(zeros);
          sent += took;
        }
      } catch {
        // It was closed: the test is over.
      }
    };
    await expectFlat(pair, FLAT[wire], async () => {
      for (let i = 0; i < STUCK / 6; i++) {
        void send(stack.use(await openThrough(pair.port, target.port)));
      }
      await untilSteady(() => sent);
    });
    assert(sent > STUCK * 100_000);
  });
}

test("a slow reader gets all of it, while others are not held up", async () => {
  const size = 24 * MB;
  await using target = listenFor(async (conn) => {
    for (const chunk of bulk(size)) await writeAll(conn, chunk);
  });
  await using web = serveWeb();
  await using pair = await openPair();
  using conn = await openThrough(pair.port, target.port);
  const whole = new Uint8Array(size);
  const reading = (async () => {
    for (let have = 0; have < size;) {
      const got = await conn.read(whole.subarray(have, have + 100_000));
      assert(got !== null);
      have += got;
      await new Promise((resolve) => setTimeout(resolve, 2)); // the reader's slowness
    }
  })();
  const began = performance.now();
  const { stdout } = await run("curl", [
    ...["-sS", "-x", `socks5h://${pair.proxy}`],
    ...Array<string>(10).fill(`http://${web.at}/hello`),
  ]);
  assert.equal(stdout, "hello\n".repeat(10));
  assert(performance.now() - began < 2000);
  await reading;
  const expected = new Uint8Array(size);
  let at = 0;
  for (const chunk of bulk(size)) {
    expected.set(chunk, at);
    at += chunk.length;
  }
  assert(whole.every((byte, i) => byte === expected[i]));
  assert.deepEqual(await readToEnd(conn), { bytes: 0, end: "fin" });
});

test("200 connections that come and go leave no descriptor, however they end", async () => {
  await using web = serveWeb();
  await using endless = endlessSender();
  await using pair = await openPair();
  const ends = [pair.server, pair.client];
  const request = new TextEncoder().encode("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const round = async (i: number) => {
    using conn = await openThrough(pair.port, i % 2 === 0 ? web.port : endless.port);
    await writeAll(conn, request);
    await conn.read(new Uint8Array(10));
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => round(i)));
  const count = () => ends.reduce((sum, { pid }) => sum + descriptorCount(pid), 0);
  const before = await untilSteady(count);
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 20 }, (_, i) => round(i)));
  // The last ones end in their own time, and connections to the server that are kept within 10 s.
  for (let tries = 0; count() > before; tries++) {
    assert(tries < 300, `${before} -> ${count()} descriptors`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

/** Descriptors: at a hop a server's listeners are more or fewer than before. */
const LISTENERS = 5;

test("a client that is killed leaves nothing at the server, though its targets ignore every end", async () => {
  // In version 1 each has a connection to the server.
  for (const [io, wire, each] of [["ffi", "v1", 2], ["ffi", "v2", 1], ["deno", "v2", 1]] as const) {
    await using stubborn = neverReader();
    const args = ["--io", io, "--wire", wire, "--keep-session", "2"];
    await using stack = new AsyncDisposableStack();
    const server = stack.adopt(
      await startServer({ args }),
      endWell,
    );
    await using client = await startClient({ args });
    const before = descriptorCount(server.pid);
    const programs = await Promise.all(
      Array.from({ length: 50 }, () => openThrough(portOf(client), stubborn.port)),
    );
    for (const conn of programs) await conn.closeWrite();
    for (const conn of programs) conn.close();
    const held = descriptorCount(server.pid);
    assert(held >= before + 50 * each - LISTENERS, `${held}, ${before} before`);
    client.signal("SIGKILL");
    await client.status;
    const deadline = performance.now() + 15_000;
    while (descriptorCount(server.pid) > before + LISTENERS) {
      assert(performance.now() < deadline, `${descriptorCount(server.pid)}, ${before} before`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});
