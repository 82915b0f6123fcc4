/** `ttun tox` with more than an end-to-end test has time for: processes on loopback. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Folder, makeFolder } from "../e2e/proxy_files.ts";
import { run } from "../e2e/proxy_pair.ts";
import { hashOfBulk, serveWeb, writeBulk } from "../e2e/proxy_web.ts";
import { lacksToxcore, openNetwork } from "../e2e/tox_lab.ts";
import { ttunCommand } from "../e2e/tunnel.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";

requireOwnNamespace();
settleCallbacks();

const SIZE = 20 * 1024 * 1024;
/** Longest wait for a link and for a transfer. */
const MOST_MS = 5 * 60_000;
const FORWARD = 18_580;

const curl = (...args: string[]) => ["curl", "-sS", ...args].join(" ");
const shell = (script: string) => run("sh", ["-c", script], { timeoutMs: MOST_MS });

function start({ path }: Folder, ...args: string[]): Process {
  const env = { STATE_DIRECTORY: "/dev/null/none", TUNTOX_SHARED_SECRET: "open sesame" };
  const [command, rest] = ttunCommand("tox", "-v", "-b", `${path}/nodes.json`, ...args);
  return new Process(command, rest, { env });
}

/** Starts a server of the identity in the folder; returns it with its Tox ID. */
async function serve(folder: Folder, port: number) {
  const own = ["-C", `${folder.path}/server`, "--permit-open", "127.0.0.1"];
  const server = start(folder, "-u", `${port}`, ...own);
  const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, MOST_MS);
  return { server, id: id! };
}

async function isWhole(folder: Folder): Promise<void> {
  const file = `${folder.path}/bulk`;
  await writeBulk(file, SIZE);
  const url = `http://127.0.0.1:${FORWARD}`;
  const down = await shell(`${curl(`${url}/bulk/${SIZE}`)} | sha256sum`);
  assert.equal(down.stdout, `${hashOfBulk(SIZE)}  -\n`, down.stderr);
  const up = await shell(curl("-T", file, `${url}/echo`));
  assert.equal(up.stdout, `${SIZE} ${hashOfBulk(SIZE)}\n`, up.stderr);
}

test({
  name:
    "tox: 20 MB down and up, and again behind a server that was killed and has the same identity",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    using _network = openNetwork(`${folder.path}/nodes.json`, 46_500);
    await using web = serveWeb();
    const { server, id } = await serve(folder, 46_501);
    await using _server = server;
    const forward = ["-L", `${FORWARD}:${web.at}`];
    await using client = start(folder, "-u", "46502", "-i", id, ...forward);
    await client.waitFor(/authenticated/, MOST_MS);
    await isWhole(folder);

    server.signal("SIGKILL");
    await server.status;
    const lines = client.lineCount;
    const again = await serve(folder, 46_503);
    await using _again = again.server;
    assert.equal(again.id, id);
    await client.waitFor(/the server is offline/, MOST_MS, lines);
    await client.waitFor(/authenticated/, MOST_MS, lines);
    await isWhole(folder);
  },
});
