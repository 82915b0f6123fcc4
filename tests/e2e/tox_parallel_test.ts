/**
 * Many connections at once through `ttun tox`, which is found by the bootstrap program of Debian's
 * toxcore: processes on loopback.
 */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { UNPACKED } from "../runner/extras.ts";
import { until } from "./forward_pair.ts";
import { type Folder, makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { lacksToxcore, TOX_LINK_MS } from "./tox_lab.ts";
import { ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

const PROGRAM = `${UNPACKED}/toxcore-utils/usr/bin/DHT_bootstrap`;
/** It listens there and nowhere else, for datagrams and as a relay. */
const PORT = 33_445;

const PAIRS = 10;
const PART = 40_000;
const MB = 1024 * 1024;

function lacksBootstrap(): boolean {
  try {
    Deno.statSync(PROGRAM);
    return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("Skipped: toxcore-utils cannot be fetched here");
    return true;
  }
}

/** Starts the program in a folder, where it writes its key into a file; `nodes`: the list with it. */
async function startBootstrap({ path }: Folder, nodes: string): Promise<Process> {
  await using started = new AsyncDisposableStack();
  const node = started.use(new Process(PROGRAM, ["ipv4"], { cwd: path }));
  const readKey = () => {
    try {
      return Deno.readTextFileSync(`${path}/PUBLIC_ID.txt`);
    } catch {
      return ""; // it is not there yet
    }
  };
  await until(() => readKey().length === 64, () => node.output);
  const entry = { ipv4: "127.0.0.1", ipv6: "-", port: PORT, public_key: readKey() };
  await Deno.writeTextFile(nodes, JSON.stringify({ nodes: [{ ...entry, tcp_ports: [PORT] }] }));
  started.move();
  return node;
}

const curl = (...args: string[]) => ["curl", "-sS", ...args].join(" ");
const shell = (script: string) => run("sh", ["-c", script], { timeoutMs: TOX_LINK_MS });

test({
  name:
    "tox: 20 connections at once, a slow reader beside a fast one, a target that refuses at once",
  ignore: lacksToxcore() || lacksBootstrap(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    await using web = serveWeb();
    await using _node = await startBootstrap(folder, nodes);
    const start = (...args: string[]) => {
      const env = { STATE_DIRECTORY: "/dev/null/none", TUNTOX_SHARED_SECRET: "open sesame" };
      const [command, rest] = ttunCommand("tox", "-v", "-b", nodes, ...args);
      return new Process(command, rest, { env });
    };
    const permit = ["--permit-open", "127.0.0.1"];
    await using server = start("-u", "46001", "-C", `${folder.path}/server`, ...permit);
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, 30_000);
    const forwards = ["-L", `18480:${web.at}`, "-L", "18481:127.0.0.1:1"];
    await using client = start("-u", "46002", "-i", id!, ...forwards);
    await client.waitFor(/authenticated/, TOX_LINK_MS);

    const refused = await shell(curl("--max-time", "60", "http://127.0.0.1:18481/"));
    assert.match(refused.stderr, /Connection reset|Empty reply/, client.output);
    assert.doesNotMatch(refused.stderr, /timed out/);

    const url = "http://127.0.0.1:18480";
    using slow = await Deno.connect({ hostname: "127.0.0.1", port: 18_480 });
    await slow.write(new TextEncoder().encode(`GET /bulk/${MB} HTTP/1.0\r\n\r\n`));
    const file = `${folder.path}/part`;
    await writeBulk(file, PART);
    const all = Array.from({ length: PAIRS }, () => [
      shell(`${curl(`${url}/bulk/${PART}`)} | sha256sum`),
      shell(curl("-T", file, `${url}/echo`)),
    ]);
    for (const [down, up] of await Promise.all(all.map((pair) => Promise.all(pair)))) {
      assert.equal(down!.stdout, `${hashOfBulk(PART)}  -\n`, down!.stderr);
      assert.equal(up!.stdout, `${PART} ${hashOfBulk(PART)}\n`, up!.stderr);
    }
    // The bytes that nobody has read meanwhile are whole.
    const got = new Response(slow.readable);
    const text = new Uint8Array(await got.arrayBuffer());
    const body = text.subarray(text.length - MB);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    assert.equal(hash.toHex(), hashOfBulk(MB));
    for (const end of [client, server]) {
      end.signal("SIGTERM");
      assert.equal((await end.status).code, 0, end.output);
    }
  },
});
