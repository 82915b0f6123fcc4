/** Two ends of ttun over Tox, and tuntox's way beside them: processes on loopback. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "./proxy_files.ts";
import { lacksToxcore, openNetwork, TOX_LINK_MS } from "./tox_lab.ts";
import { ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

const MB = 1024 * 1024;
const ENV = { STATE_DIRECTORY: "/dev/null/none" };

function start(...args: string[]): Process {
  const [command, rest] = ttunCommand(...args, "-v");
  return new Process(command, rest, { env: ENV });
}

/** Reads a request to its end, and answers with so many bytes and how long it was. */
function serveAtEnd(bulk: Uint8Array): Deno.Listener & { addr: Deno.NetAddr } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void (async () => { // it ends with the listener
    for await (const conn of listener) answer(conn, bulk).catch(() => {}); // the client has gone
  })();
  return listener;
}

async function answer(conn: Deno.Conn, bulk: Uint8Array): Promise<void> {
  using _conn = conn;
  const { length } = await readAll(conn);
  await writeAll(conn, bulk);
  await writeAll(conn, new TextEncoder().encode(`${length}`));
}

/** Sends so many bytes, ends this way, and returns what comes until the other has ended. */
async function ask(port: number, bytes: number): Promise<Uint8Array> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const got = readAll(conn);
  await writeAll(conn, new Uint8Array(bytes));
  await conn.closeWrite();
  return await got;
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const into = new Uint8Array(65_536);
  for (let got = await conn.read(into); got !== null; got = await conn.read(into)) {
    parts.push(into.slice(0, got));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

test({
  name: "tox between ends of ttun: -R, half-close, tox: URLs for forwards and ping, one server",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    using _network = openNetwork(nodes, 43_000);
    const bulk = crypto.getRandomValues(new Uint8Array(65_536));
    const whole = new Uint8Array(MB).map((_, i) => bulk[i % bulk.length]!);
    using target = serveAtEnd(whole);
    const to = `127.0.0.1:${target.addr.port}`;
    const secret = `${folder.path}/secret`;
    await Deno.writeTextFile(secret, "open sesame\n", { mode: 0o600 });
    const at = (port: number) => ["-b", nodes, "-u", String(port)];
    const permits = ["--permit-open", "127.0.0.1", "--permit-listen", "18190"];
    const key = ["--secret-file", secret];
    await using server = start("tox", "-C", folder.path, ...key, ...at(43_001), ...permits);
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, 30_000);

    const forwards = ["-L", `18191:${to}`, "-R", `18190:${to}`];
    await using client = start("tox", "-i", id!, ...key, ...at(43_002), ...forwards);
    const url = (port: number) => `tox:${id}?nodes=${nodes}&udp=${port}`;
    const forward = ["-L", `18192:${to}`];
    await using byUrl = start("client", "-s", url(43_003), "--key-file", secret, ...forward);
    await using pings = start("ping", "-s", url(43_004), "--key-file", secret, "--count", "2");

    await client.waitFor(/the server is ttun/, TOX_LINK_MS);
    await client.waitFor(/authenticated.*carries=streams/, TOX_LINK_MS);
    await byUrl.waitFor(/authenticated.*carries=streams/, TOX_LINK_MS);
    await client.waitFor(/remote forward|forward {2}.*18190/, TOX_LINK_MS);
    const expected = new Uint8Array([...whole, ...new TextEncoder().encode("300000")]);
    for (const port of [18_191, 18_190, 18_192]) {
      const got = await ask(port, 300_000);
      assert.equal(got.length, expected.length, `port ${port}`);
      assert.ok(got.every((byte, i) => byte === expected[i]), `port ${port}`);
    }
    assert.equal((await pings.status).code, 0, pings.output);
    assert.ok(!server.output.includes("sesame") && !client.output.includes("sesame"));
    for (const end of [client, byUrl, server]) {
      end.signal("SIGTERM");
      assert.equal((await end.status).code, 0, end.output);
    }
  },
});
