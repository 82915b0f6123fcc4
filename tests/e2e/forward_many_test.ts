import assert from "node:assert/strict";
import { test } from "../check.ts";
import { median } from "../bench/statistics.ts";
import { descriptorCount } from "../proc.ts";
import { LOOPBACK, openForwards, until } from "./forward_pair.ts";
import { run, spawnHere } from "./proxy_pair.ts";
import { openThrough, readExactly, writeAll } from "./proxy_socks.ts";
import { echoer, endlessSender, neverReader } from "./proxy_targets.ts";
import { hashOfBulk, serveWeb } from "./proxy_web.ts";

const MB = 1024 * 1024;

/** Connections at the same time, half of them by -D. */
const MANY = 500;

/** Bytes that a stream which nobody reads may hold: its window, and buffers of sockets. */
const HELD = 32 * MB;

/** A message's wait beside bulk. Their windows, 64 MiB, take several times as long. */
const MOST_WAIT_MS = 80;

for (const io of ["ffi", "deno"]) {
  test(`500 connections at once, each with bytes of its own, leave nothing behind: --io ${io}`, async () => {
    await using echo = echoer();
    await using pair = await openForwards({
      both: ["--io", io],
      client: ["-L", `0:${LOOPBACK}:${echo.port}`, "-D", "0"],
    });
    const [local, dynamic] = pair.ports;
    const ends = [pair.server, pair.client];
    const count = () => ends.map(({ pid }) => descriptorCount(pid));
    const before = count();
    {
      using stack = new DisposableStack();
      const all = await Promise.all(Array.from({ length: MANY }, async (_, i) => {
        const conn = i % 2 === 0
          ? await Deno.connect({ hostname: LOOPBACK, port: local! })
          : await openThrough(dynamic!, echo.port);
        return stack.use(conn);
      }));
      for (let round = 0; round < 3; round++) {
        await Promise.all(all.map(async (conn, i) => {
          const sent = new TextEncoder().encode(`${round} of connection ${i};`.repeat(100));
          const [got] = await Promise.all([
            readExactly(conn, new Uint8Array(sent.length)),
            writeAll(conn, sent),
          ]);
          assert.deepEqual(got, sent);
        }));
      }
      // A socket of each connection at each end, and none between the ends.
      for (const [i, now] of count().entries()) assert.equal(now, before[i]! + MANY);
    }
    await until(() => count().every((now, i) => now <= before[i]!), () => `${before} ${count()}`);
  });
}

test("a program that never reads, and a target that never does, hold back nobody else", async () => {
  await using sender = endlessSender();
  await using taker = neverReader();
  await using web = serveWeb();
  await using echo = echoer();
  await using pair = await openForwards({
    client: [sender, taker, web, echo].flatMap(({ port }) => ["-L", `0:${LOOPBACK}:${port}`]),
  });
  const [toSender, toTaker, toWeb, toEcho] = pair.ports;
  const open = (port: number) => Deno.connect({ hostname: LOOPBACK, port });
  using _deaf = await open(toSender!);
  using pushing = await open(toTaker!);
  let pushed = 0;
  const push = (async () => {
    const zeros = new Uint8Array(64 * 1024);
    for (;;) {
      const took = await pushing.write(zeros).catch(() => null); // the test is over
      if (took === null) return;
      pushed += took;
    }
  })();
  using said = await open(toEcho!);
  let before = -1;
  await until(() => { // both stand still
    const now = sender.sent + pushed;
    const stands = now > 0 && now === before;
    before = now;
    return stands;
  }, () => `${sender.sent} and ${pushed} bytes, and more`);
  const bytes = new Uint8Array(64);
  const began = performance.now();
  for (let i = 0; i < 20; i++) {
    await writeAll(said, bytes);
    await readExactly(said, bytes);
  }
  assert(performance.now() - began < 1000, `${performance.now() - began} ms for 20 answers`);
  const script = 'curl "$@" | sha256sum';
  const url = `http://${LOOPBACK}:${toWeb}/bulk/${50 * MB}`;
  const { stdout, stderr } = await run("sh", ["-c", script, "sh", "-sS", "-m", "10", url]);
  assert.equal(stdout, `${hashOfBulk(50 * MB)}  -\n`, stderr);
  assert(sender.sent < HELD && pushed < HELD, `${sender.sent} and ${pushed} bytes are held`);
  pushing.close();
  await push;
});

test("a message beside downloads at full speed does not wait for their windows", async () => {
  await using sender = endlessSender();
  await using echo = echoer();
  await using pair = await openForwards({
    client: [sender, echo].flatMap(({ port }) => ["-L", `0:${LOOPBACK}:${port}`]),
  });
  const [toSender, toEcho] = pair.ports;
  const url = `telnet://${LOOPBACK}:${toSender}`; // curl takes what comes, without an end
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 4; i++) stack.use(spawnHere("curl", ["-sS", "-o", "/dev/null", url]));
  await until(() => sender.sent > 100 * MB, () => `${sender.sent} bytes`, 20_000);
  using conn = await Deno.connect({ hostname: LOOPBACK, port: toEcho! });
  const bytes = new Uint8Array(64);
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    const began = performance.now();
    await writeAll(conn, bytes);
    await readExactly(conn, bytes);
    times.push(performance.now() - began);
  }
  assert(median(times) < MOST_WAIT_MS, `${median(times)} ms`);
});
