import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hold } from "../hostile/proxy_client.ts";
import { descriptorCount } from "../proc.ts";
import { makeFolder } from "./proxy_files.ts";
import {
  endWell,
  KEY,
  LOOPBACK,
  portOf,
  type Process,
  run,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { openThrough } from "./proxy_socks.ts";
import { neverReader } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

/** Descriptors that the server may have. */
const FEW = 600;

const withFew: Spawn = (command, args, o) =>
  spawnHere(
    "sh",
    ["-c", `ulimit -Sn ${FEW}; ulimit -Hn ${FEW}; exec "$@"`, "sh", command, ...args],
    o,
  );

async function loads(client: Process, url: string): Promise<number> {
  const args = ["-sS", "--max-time", "5", "-x", `socks5h://${LOOPBACK}:${portOf(client)}`, url];
  const began = performance.now();
  const { stdout, stderr } = await run("curl", args);
  assert.equal(stdout, "hello\n", `${stderr}${client.output}`);
  return performance.now() - began;
}

test("one key's connections take no descriptor from another's, with few of them, and all come back", async () => {
  await using web = serveWeb();
  await using silent = neverReader();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  await Deno.writeTextFile(file, `greedy:${KEY}\nother:${KEY}other\n`, { mode: 0o600 });
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(
    await startServer({
      args: ["--key-file", file, "--keep-session", "3"],
      env: { TTUN_KEY: "" },
      spawn: withFew,
    }),
    endWell,
  );
  await server.waitFor(/fewer connections at once .*connections=225 descriptors=600/);
  const greedy = stack.use(await startClient());
  const other = stack.use(await startClient({ env: { TTUN_KEY: `${KEY}other` } }));
  const url = `http://${web.at}/hello`;
  await loads(other, url);
  const before = descriptorCount(server.pid);
  const held = await hold(portOf(greedy), silent.port, 400);
  try {
    assert(held.length > 150 && held.length < 300, `${held.length} at once`);
    assert(descriptorCount(server.pid) < FEW - 20, `${descriptorCount(server.pid)} descriptors`);
    for (let i = 0; i < 20; i++) await loads(other, url);
    const kept = [];
    for (let i = 0; i < 30; i++) kept.push(await openThrough(portOf(other), silent.port));
    await loads(other, url);
    for (const conn of kept) conn.close();
    await server.waitFor(
      /closed an idle connection: another account needs its place .*user=greedy/,
    );
  } finally {
    for (const conn of held) conn.close();
  }
  greedy.signal("SIGKILL");
  await greedy.status;
  const deadline = performance.now() + 15_000;
  // The other client's own thirty are half closed: their target does not answer the end.
  while (descriptorCount(server.pid) > before + 2 * 30 + 10) {
    assert(performance.now() < deadline, `${descriptorCount(server.pid)} of ${before}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
