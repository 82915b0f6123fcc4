import assert from "node:assert/strict";
import { test } from "../check.ts";
import { descriptorCount, rssMb } from "../proc.ts";
import { openPair } from "../e2e/proxy_pair.ts";
import { openThrough, readExactly, writeAll } from "../e2e/proxy_socks.ts";
import { listenFor } from "../e2e/proxy_targets.ts";

const SOAK_MS = 300_000;
const EVERY_MS = 200;
/** The last of a range is never used, so that these are three ports. */
const RANGE = "20700-20703";
/** Of the long transfer, so much each time. */
const CHUNK = 256 * 1024;

/** Sends back what comes. */
function echo() {
  return listenFor(async (conn) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      await writeAll(conn, buffer.subarray(0, got));
    }
    await conn.closeWrite();
  });
}

test("five minutes of hops over three ports: no connection fails, and a long one lives on", async () => {
  await using target = echo();
  await using pair = await openPair({ range: RANGE });
  const ends = [pair.server, pair.client];
  const state = () => ends.map(({ pid }) => ({ rss: rssMb(pid), fds: descriptorCount(pid) }));
  const failures: string[] = [];
  let slowest = 0;

  /** A connection from its opening to its end; each has other bytes. */
  const visit = async (n: number) => {
    const began = performance.now();
    try {
      using conn = await openThrough(pair.port, target.port);
      await expectEcho(conn, randomBytes(1 + n * 97 % 5000));
      await conn.closeWrite();
      assert.equal(await conn.read(new Uint8Array(1)), null);
    } catch (error) {
      failures.push(`connection ${n}: ${error}`);
    }
    slowest = Math.max(slowest, performance.now() - began);
  };

  const began = performance.now();
  const isOver = () => performance.now() - began > SOAK_MS;
  let carried = 0;
  const long = async () => {
    using conn = await openThrough(pair.port, target.port);
    for (; !isOver(); carried += CHUNK) {
      await expectEcho(conn, randomBytes(CHUNK));
      await pauseUntil(performance.now() + 50); // others need the machine too
    }
  };

  await visit(0);
  const before = state();
  const visits: Promise<void>[] = [];
  const transfer = long().catch((error) => void failures.push(`long transfer: ${error}`));
  let count = 0;
  for (; !isOver(); count++) {
    visits.push(visit(count + 1));
    await pauseUntil(began + (count + 1) * EVERY_MS);
  }
  await Promise.all([...visits, transfer]);
  await pauseUntil(performance.now() + 500); // the last ones end
  const hops = pair.server.output.match(/ ports {2}open=/g)!.length - 1;
  const after = state();
  const grown = after.map(({ rss }, i) => `${before[i]!.rss.toFixed(0)} -> ${rss.toFixed(0)}`);
  console.log(
    `${count} connections over ${hops} hops in ${SOAK_MS / 1000} s: ${failures.length} failed, ` +
      `the slowest took ${slowest.toFixed(0)} ms; the long transfer carried ` +
      `${(carried / 1e6).toFixed(0)} MB each way; RSS of server and client: ${grown.join(", ")} MB`,
  );
  assert.deepEqual(failures, []);
  assert(hops >= 4);
  // Three minutes have one to three ports, as chance has it.
  for (const [i, { fds }] of after.entries()) {
    assert(fds <= before[i]!.fds + 4, `${fds} descriptors`);
  }
  for (const [i, { rss }] of after.entries()) assert(rss < before[i]!.rss + 60);
});

async function expectEcho(conn: Deno.TcpConn, sent: Uint8Array): Promise<void> {
  const [got] = await Promise.all([
    readExactly(conn, new Uint8Array(sent.length)),
    writeAll(conn, sent),
  ]);
  assert(got.every((byte, i) => byte === sent[i]), "the bytes came changed");
}

function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

function pauseUntil(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time - performance.now()));
}
